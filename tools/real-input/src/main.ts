import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@moldau/client';
import { bin, startDevServer } from '@moldau/testing/dev-server';
import { balance, type Read, type Reported } from './account.ts';
import { writeInput } from './input.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const minLines = 200_000;
const topic = 'lines';

const folder = mkdtempSync(join(tmpdir(), 'moldau-real-input-'));
const say = (text: string): void => console.log(text);

function moldau(port: number, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [bin, '-s', `localhost:${port}`, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

async function finished(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? -1;
}

const reported = (path: string): Reported[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Reported);

async function consumeAll(port: number): Promise<Read[]> {
  const child = moldau(port, ['consume', topic, '-o', 'start', '-e', '-f', '%p %o %v\\n']);
  const read: Read[] = [];
  if (child.stdout === null) throw new Error('the consumer has no stdout');
  // Text may hold other line ends than \n: only that one separates records.
  let rest = '';
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) read.push(parse(line));
  }
  const code = await finished(child);
  if (code !== 0) throw new Error(`consume ended with ${code}`);
  return read;
}

function parse(line: string): Read {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  return {
    partition: Number(line.slice(0, first)),
    offset: Number(line.slice(first + 1, second)),
    value: line.slice(second + 1),
  };
}

/** Waits until a report has grown beyond `bytes`: the pass is in full swing. */
async function grown(path: string, bytes: number): Promise<void> {
  while (!existsSync(path) || statSync(path).size < bytes) await pause(20);
}

async function main(): Promise<number> {
  const input = join(folder, 'input');
  const lines = writeInput(root, input, minLines);
  say(`${lines.length} lines, ${(statSync(input).size / 2 ** 20).toFixed(1)} MiB`);
  const data = join(folder, 'data');
  const first = join(folder, 'report-1');
  const second = join(folder, 'report-2');

  let server = await startDevServer(data, 0);
  const { port } = server;
  await using client = await connect({ endpoints: `localhost:${port}` });
  await client.admin.createTopic({ name: topic, partitions: 3 });
  let startedAt = performance.now();
  const firstCode = await finished(moldau(port, ['produce', topic, input, '--report', first]));
  const seconds = (performance.now() - startedAt) / 1000;
  say(`first pass: exit ${firstCode}, ${seconds.toFixed(1)} s, ${Math.round(lines.length / seconds)} lines/s`);

  const pass = moldau(port, ['produce', topic, input, '--report', second]);
  const ended = finished(pass);
  await grown(second, 64 * 1024);
  await server.kill();
  say('second pass: the server was killed in the middle');
  startedAt = performance.now();
  server = await startDevServer(data, port);
  say(`it was ready again after ${Math.round(performance.now() - startedAt)} ms`);
  say(`second pass: exit ${await ended}`);

  const read = await consumeAll(port);
  await server.stop();
  const passes = [first, second].map((path) => ({ lines, report: reported(path) }));
  const account = balance(passes, read);
  for (const problem of account.problems.slice(0, 20)) say(`PROBLEM: ${problem}`);
  say(
    `${account.acknowledged} acknowledged, ${account.unknown} unknown, ${account.read} read, ${account.problems.length} problems`,
  );
  return account.problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
