import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { moldau, Running, repository, start, startServer, stopped, temporaryFolder } from './moldau-process.ts';

/** The commands of the README's first shell block, without their comments but for what is said to be printed. */
function fiveMinutes(): readonly { readonly command: string; readonly prints: string | undefined }[] {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  const [, block = ''] = /## Five minutes[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme) ?? [];
  return block
    .trim()
    .split('\n')
    .map((line) => {
      const [, command = line, comment = ''] = /^(.*?)\s+# (.*)$/.exec(line) ?? [];
      return { command, prints: /^prints: (.*)$/.exec(comment)?.[1] };
    });
}

test('the five minutes of the README, as they stand there', async (t) => {
  const [first, ...others] = fiveMinutes();
  t.is(first?.command, 'npm ci && npm start');
  t.is(others.length, 2);
  // `npm ci` has been run by whoever runs this; another directory and port, so that no cluster of theirs is touched.
  const directory = join(temporaryFolder(t), 'data');
  const terminal = new Running('npm', ['start', '--', '--dir', directory, '--port', '0'], {}, true);
  t.teardown(async () => {
    if (terminal.child.pid !== undefined && terminal.child.exitCode === null)
      process.kill(-terminal.child.pid, 'SIGTERM');
    await terminal.ended;
  });
  const [, endpoint = '', ms] = await terminal.says('stderr', /is ready on (\S+) \((\d+) ms\)/);
  t.true(Number(ms) < 5_000, `ready after ${ms} ms`);
  for (const { command, prints } of others) {
    const { code, stdout, stderr } = await new Running('sh', ['-c', command], { env: { MOLDAU_ENDPOINTS: endpoint } })
      .ended;
    t.is(code, 0, stderr);
    t.is(stdout, prints === undefined ? '' : `${prints}\n`);
  }
  t.is(others.at(-1)?.prints, 'hello, river');
});

test('data outlives the server, unless it is reset', async (t) => {
  const dir = join(temporaryFolder(t), 'deep', 'data');
  const first = await startServer(t, ['--dir', dir]);
  await moldau(['produce', 'kept', '-s', first.endpoint], { stdin: 'a\n' });
  const { code, stderr } = await stopped(first.server);
  t.is(code, 0);
  t.regex(stderr, /stopped; the data stays in /);

  const second = await startServer(t, ['--dir', dir]);
  t.is((await moldau(['consume', 'kept', '-o', 'start', '-e', '-s', second.endpoint])).stdout, 'a\n');
  const inUse = await moldau(['dev', '--dir', dir, '--port', '0']);
  t.is(inUse.code, 1);
  t.regex(inUse.stderr, /is in use by another process: stop that one, or use another directory/);
  const resetInUse = await moldau(['dev', '--dir', dir, '--port', '0', '--reset', '--yes']);
  t.is(resetInUse.code, 1);
  t.regex(resetInUse.stderr, /is in use by another process: stop that one first/);
  await stopped(second.server);

  const unsaid = await moldau(['dev', '--dir', dir, '--port', '0', '--reset']);
  t.is(unsaid.code, 2);
  t.regex(unsaid.stderr, /this would delete all data in .*: say --yes/);
  const third = await startServer(t, ['--dir', dir, '--reset', '--yes']);
  t.is((await moldau(['topic', 'list', '-s', third.endpoint])).stdout, '');
});

test('a directory of somebody else is never touched', async (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, 'thesis.txt'), 'years of work');
  for (const flags of [[], ['--reset', '--yes']]) {
    const { code, stderr } = await moldau(['dev', '--dir', dir, '--port', '0', ...flags]);
    t.is(code, 1);
    t.regex(stderr, /holds files that are not Moldau's \(thesis\.txt\): use an empty or a new directory/);
    t.is(readFileSync(join(dir, 'thesis.txt'), 'utf8'), 'years of work');
    t.false(existsSync(join(dir, 'metadata.sqlite')));
  }
  const { stderr } = await moldau(['dev', '--dir', join(dir, 'thesis.txt'), '--port', '0']);
  t.regex(stderr, /thesis\.txt is a file: use a directory/);
  mkdirSync(join(dir, 'empty'));
  await startServer(t, ['--dir', join(dir, 'empty')]);
});

test('a port in use is named', async (t) => {
  const { endpoint } = await startServer(t);
  const { code, stderr } = await moldau(['dev', '--memory', '--port', endpoint.split(':')[1] ?? '']);
  t.is(code, 1);
  t.regex(stderr, /^moldau: 127\.0\.0\.1:\d+ is in use: stop what listens there, or choose another port\n$/);
});

test('--http-port serves the state and the metrics', async (t) => {
  const server = start(['dev', '--memory', '--port', '0', '--http-port', '0', '--output', 'json']);
  t.teardown(() => stopped(server));
  const [, port] = await server.says('stdout', /"http_port":(\d+)/);
  const get = async (path: string): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return [answer.status, await answer.text()];
  };
  t.deepEqual(await get('/healthz'), [200, 'ok\n']);
  t.deepEqual(await get('/readyz'), [200, 'ready\n']);
  const [status, metrics] = await get('/metrics');
  t.is(status, 200);
  t.regex(metrics, /^moldau_/m);
});
