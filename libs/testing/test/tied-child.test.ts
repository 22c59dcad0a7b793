import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { spawnTied } from '../src/tied-child.ts';

test('a child dies with a parent that is killed', async (t) => {
  const parent = spawn(process.execPath, [fileURLToPath(new URL('tied-parent.ts', import.meta.url))]);
  t.teardown(() => parent.kill('SIGKILL'));
  const [said] = await once(parent.stdout, 'data');
  const pid = Number(said);
  t.true(isAlive(pid));
  parent.kill('SIGKILL');
  while (isAlive(pid)) await sleep(10);
  t.pass();
});

test('a child that ends by itself says how, and leaves nothing behind', async (t) => {
  const child = spawnTied('sh', ['-c', 'echo done >&2; exit 7']);
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said += bytes;
  });
  // It is closed when nobody holds its pipes any more: the guard has gone, too.
  t.deepEqual(await once(child, 'close'), [7, null]);
  t.is(said, 'done\n');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
