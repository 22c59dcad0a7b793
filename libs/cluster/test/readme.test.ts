import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDevCluster } from '@moldau/cluster';
import { silentLogger, silentMeter } from '@moldau/kernel';
import test from 'ava';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const alive = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(alive));

test('the programs of the README run, and print what was written', async (t) => {
  const cluster = await startDevCluster({
    directory: undefined,
    memoryBytes: 64 * 1024 * 1024,
    host: '127.0.0.1',
    port: 0,
    version: 'test',
    logger: silentLogger,
    meter: silentMeter,
  });
  // Inside the repository, so that the packages resolve as they do for its users.
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, '.cache', 'readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (program: string): Promise<string[]> => {
    const file = join(folder, 'program.ts');
    writeFileSync(file, program.replace('localhost:7070', `127.0.0.1:${cluster.port}`));
    const { stdout } = await promisify(execFile)(process.execPath, [file], {
      timeout: 30_000,
      // Whoever runs the tests may want colours; the numbers here are to be compared.
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    return stdout.trim().split('\n').sort();
  };
  const programs = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)];
  const [writing = '', consuming = ''] = programs.map(([, program = '']) => program);
  t.is(programs.length, 2);
  const lines = await run(writing);
  t.is(lines.length, 2);
  t.regex(lines.join('\n'), /\d 0n customer-1 9\.5/);
  t.regex(lines.join('\n'), /\d \dn customer-2 12/);
  const consumed = await run(consuming);
  t.is(consumed.length, 2, 'a member of a group is given the same');
  t.regex(consumed.join('\n'), /\d 0n \{"id":1,"total":9\.5\}/);
  await cluster.stop();
});
