import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { moldau, onTerminal, start, startServer, stopped, temporaryFolder } from './moldau-process.ts';

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('what is produced is consumed: positions, counts, filters, formats', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const lines = Array.from({ length: 10 }, (_, n) => `k${n % 2}:v${n}\n`).join('');
  const produced = await moldau(['produce', 'letters', '-K', ':', '-H', 'a=1', '-H', 'b=2', '-z', 'zstd'], {
    env,
    stdin: lines,
  });
  t.is(produced.code, 0);
  t.is(produced.stderr, '10 records written to letters\n');
  t.is(produced.stdout, '');

  const read = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await onTerminal(['consume', 'letters', ...args], { env, terminal: false });
    t.is(code, 0, stderr);
    return stdout.trimEnd().replaceAll('\n', ' ');
  };
  t.is(await read('-o', 'start', '-e'), 'v0 v1 v2 v3 v4 v5 v6 v7 v8 v9');
  t.is(await read('-o', 'start', '-n', '2'), 'v0 v1');
  t.is(await read('-o', '8', '-e'), 'v8 v9');
  t.is(await read('-o', '-3', '-e'), 'v7 v8 v9');
  t.is(await read('-o', '2:4'), 'v2 v3');
  t.is(await read('-o', ':2'), 'v0 v1');
  t.is(await read('-o', '-2:end'), 'v8 v9');
  t.is(await read('-o', '@-1h:end', '-n', '1'), 'v0');
  t.is(await read('-o', '@2001-01-01:@2002-01-01'), '');
  t.is(await read('-o', 'end', '-e'), '');
  t.is(await read('-o', 'start', '-e', '--key', 'k1'), 'v1 v3 v5 v7 v9');
  t.is(await read('-o', 'start', '-e', '--grep', '[34]$'), 'v3 v4');
  t.is(await read('-o', '7', '-n', '1', '-f', '%t/%p/%o %k=%v %h'), 'letters/0/7 k1=v7 a=1,b=2');
});

test('consume without -o reads what comes, and says so; Ctrl-C ends it in order', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['produce', 'news'], { env, stdin: 'old\n' });
  const reader = start(['consume', 'news'], { env });
  t.teardown(() => stopped(reader));
  await reader.says('stderr', /reading what comes from now on; -o start reads from the beginning/);
  // When its stream stands nobody can see from outside: records come until the first has been read.
  let isHeard = false;
  const heard = reader.says('stdout', /new/).then(() => {
    isHeard = true;
  });
  while (!isHeard) await onTerminal(['produce', 'news', '-q'], { env, stdin: 'new\n', terminal: false });
  await heard;
  reader.child.kill('SIGINT');
  const { code, stdout, stderr } = await reader.ended;
  t.is(code, 0);
  t.false(stdout.includes('old'));
  const count = stdout.trimEnd().split('\n').length;
  t.true(stderr.endsWith(`\n${count} record${count === 1 ? '' : 's'} read from news\n`), stderr);
});

test('several topics are read side by side', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['produce', 'a'], { env, stdin: 'a1\na2\n' });
  await moldau(['produce', 'b'], { env, stdin: 'b1\nb2\n' });
  const all = await moldau(['consume', 'a', 'b', '-o', 'start', '-e'], { env });
  t.is(all.code, 0);
  t.deepEqual(all.stdout.trim().split('\n').sort(), ['a1', 'a2', 'b1', 'b2']);
  // A quiet topic holds up neither the others nor the end.
  await moldau(['topic', 'create', 'quiet'], { env });
  const some = await moldau(['consume', 'quiet', 'a', '-o', 'start', '-n', '2'], { env });
  t.is(some.stdout, 'a1\na2\n');
  const failed = await moldau(['consume', 'a', 'nowhere', '-o', 'start'], { env });
  t.is(failed.code, 3);
  t.regex(failed.stderr, /no topic "nowhere"/);
});

test('what consume --json prints, produce --json reads back the same', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const stdin = '{"key":"k","value":"ž","headers":{"h":"x"}}\n{"value":null,"key":"k"}\n{"value_base64":"/wBB"}\n';
  await moldau(['produce', 'first', '--json'], { env, stdin });
  const first = await moldau(['consume', 'first', '-o', 'start', '-e', '--json'], { env });
  await moldau(['produce', 'second', '--json'], { env, stdin: first.stdout });
  const second = await moldau(['consume', 'second', '-o', 'start', '-e', '--json'], { env });
  const bare = (text: string) => jsonLines(text).map(({ topic: _, timestamp_ms: __, ...rest }) => rest);
  t.deepEqual(bare(second.stdout), bare(first.stdout));
  t.deepEqual(bare(first.stdout), [
    { partition: 0, offset: '0', key: 'k', value: 'ž', headers: [{ name: 'h', value: 'x' }] },
    { partition: 0, offset: '1', key: 'k', value: null, headers: [] },
    { partition: 0, offset: '2', key: null, value_base64: '/wBB', headers: [] },
  ]);
});

test('--report tells the outcome of each line, of lost ones too', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const folder = temporaryFolder(t);
  const report = join(folder, 'report.jsonl');
  const input = join(folder, 'input');
  writeFileSync(input, `one\n${'x'.repeat(2 * 1024 * 1024)}\nthree\n`);
  const { code, stderr } = await moldau(['produce', 'mixed', input, '--report', report], { env });
  t.is(code, 5);
  t.regex(
    stderr,
    /2 records written to mixed, 1 not acknowledged\nmoldau: 1 of 3 records were not acknowledged; the first: a record of \d+ bytes/,
  );
  const [first, second, third] = jsonLines(readFileSync(report, 'utf8'));
  t.deepEqual(first, { line: 1, partition: 0, offset: '0' });
  t.like(second, { line: 2, outcome: 'NOT_WRITTEN' });
  t.deepEqual(third, { line: 3, partition: 0, offset: '1' });
});

test('many lines keep their order, in the report and in the topic', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const report = join(temporaryFolder(t), 'report.jsonl');
  // More than may be undecided at one time.
  const count = 120_000;
  const stdin = Array.from({ length: count }, (_, n) => `${n}\n`).join('');
  const { code, stderr } = await moldau(['produce', 'many', '--report', report], { env, stdin });
  t.is(code, 0, stderr);
  const entries = jsonLines(readFileSync(report, 'utf8'));
  t.is(entries.length, count);
  t.true(entries.every(({ line, offset }, index) => line === index + 1 && offset === String(index)));
  const { stdout } = await moldau(['consume', 'many', '-o', 'start', '-e'], { env });
  t.true(stdout === stdin);
});

test('a line that is no record stops produce, and what came before is written', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const partly = await moldau(['produce', 'typo', '--json'], {
    env,
    stdin: '{"value":"a"}\nnonsense\n{"value":"b"}\n',
  });
  t.is(partly.code, 5);
  t.regex(
    partly.stderr,
    /1 record written to typo\nmoldau: line 2: no JSON object such as .*; nothing behind it was read/,
  );
  const nothing = await moldau(['produce', 'typo', '--json'], { env, stdin: 'nonsense\n' });
  t.is(nothing.code, 2);
});

test('Ctrl-C while produce waits for input: what was read is written, and the summary is printed', async (t) => {
  const { endpoint } = await startServer(t);
  const producer = start(['produce', 'typed', '-s', endpoint]);
  t.teardown(() => stopped(producer));
  producer.child.stdin?.write('first\nsecond\nunfini');
  const reader = start(['consume', 'typed', '-o', 'start', '-n', '2', '-s', endpoint]);
  // The topic may not be there yet.
  const { code } = await reader.ended;
  if (code !== 0) {
    for (let seen = 3; seen === 3; ) seen = (await moldau(['topic', 'describe', 'typed', '-s', endpoint])).code;
    t.is((await moldau(['consume', 'typed', '-o', 'start', '-n', '2', '-s', endpoint])).code, 0);
  }
  producer.child.kill('SIGINT');
  const ended = await producer.ended;
  t.is(ended.code, 0, ended.stderr);
  t.is(ended.stderr, '2 records written to typed\n');
});

test('a reader that has had enough is no error', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const stdin = `${'long line '.repeat(50)}\n`.repeat(5_000);
  await moldau(['produce', 'long'], { env, stdin });
  const reader = start(['consume', 'long', '-o', 'start', '-e'], { env });
  await reader.says('stdout', /long/);
  reader.child.stdout?.destroy();
  const { code, stderr } = await reader.ended;
  t.is(code, 0);
  t.is(stderr, '');
});

test('a terminal sees no control characters', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['produce', 'binary'], { env, stdin: Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0x0a]) });
  const { stdout } = await onTerminal(['consume', 'binary', '-o', 'start', '-e'], { env });
  t.is(stdout, '\\x1b[2J\n');
});
