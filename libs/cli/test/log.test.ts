import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { moldau, onTerminal, startServer, stopped, temporaryFolder } from './moldau-process.ts';

/** A data directory with one partition of five segments, closed in order. Returns it and the partition's directory. */
async function closedData(t: ExecutionContext): Promise<{ data: string; partition: string }> {
  const data = join(temporaryFolder(t), 'data');
  const { endpoint, server } = await startServer(t, ['--dir', data]);
  const create = ['topic', 'create', 'logged', '-c', 'segment.bytes=1MiB', '-s', endpoint, '--output', 'jsonl'];
  const created = await moldau(create);
  const { id } = JSON.parse(created.stdout) as { id: string };
  const stdin = Array.from({ length: 5_000 }, (_, n) => `${n} ${'x'.repeat(1_000)}\n`).join('');
  await moldau(['produce', 'logged', '-K', ' ', '-s', endpoint], { stdin });
  await stopped(server);
  const partitions = join(data, 'node-1', 'partitions');
  // Beside it are those that keep consumer groups.
  const name = readdirSync(partitions).find((one) => one.startsWith(id));
  return { data, partition: join(partitions, name ?? '') };
}

const rowsOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const run = (...args: string[]) => onTerminal(args, { terminal: false });

test('dump and verify read what a node wrote, and change nothing', async (t) => {
  const { data, partition } = await closedData(t);
  const before = contentOf(partition);
  const verified = await run('log', 'verify', data);
  t.is(verified.code, 0, verified.stdout);
  t.is(verified.stdout, '');
  t.regex(verified.stderr, /^17 partitions, \d+ segments, \d+ batches, 5\d+ bytes: no damage\n$/);

  const batches = rowsOf((await run('log', 'dump', partition)).stdout);
  t.like(batches[0], { position: 0, base_offset: '0', compression: 'none', leader_epoch: 1 });
  t.is(batches.at(-1)?.last_offset, '4999');
  t.is(
    batches.reduce((sum, { records }) => sum + Number(records), 0),
    5_000,
  );
  const records = rowsOf((await run('log', 'dump', partition, '--records')).stdout);
  t.is(records.length, 5_000);
  t.like(records[4_321], { offset: '4321', key: '4321', value: 'x'.repeat(1_000), headers: [] });
  const [file = ''] = readdirSync(partition).filter((name) => name.endsWith('.log'));
  t.is(rowsOf((await run('log', 'dump', join(partition, file))).stdout)[0]?.base_offset, '0');
  t.deepEqual(contentOf(partition), before);
});

function contentOf(directory: string): Record<string, string> {
  const content = (name: string): string => readFileSync(join(directory, name)).toString('base64');
  return Object.fromEntries(readdirSync(directory).map((name) => [name, content(name)]));
}

test('each kind of damage is found, and named with its place', async (t) => {
  const { partition } = await closedData(t);
  const copy = join(temporaryFolder(t), 'copy');
  const names = readdirSync(partition);
  const logs = names.filter((name) => name.endsWith('.log'));
  const [first = '', second = ''] = logs;
  const last = logs.at(-1) ?? '';
  const index = first.replace('.log', '.index');
  const flip = (name: string, at: number): void => {
    const bytes = readFileSync(join(copy, name));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(join(copy, name), bytes);
  };
  const damages: readonly (readonly [string, () => void, string, RegExp])[] = [
    ['a flipped bit', () => flip(first, 5_000), first, /CRC does not match/],
    ['a cut', () => truncateSync(join(copy, last), statSync(join(copy, last)).size - 10), last, /ends inside a batch/],
    ['a segment that is gone', () => rmSync(join(copy, second)), logs[2] ?? '', /the segment before it ends at \d+/],
    ['a flipped bit in an index', () => flip(index, 40), index, /the index is damaged/],
    [
      'an index of another segment',
      () => cpSync(join(copy, second.replace('.log', '.index')), join(copy, index)),
      index,
      /the index is damaged/,
    ],
    ['a flipped bit in the epochs', () => flip('leader-epochs', 20), 'leader-epochs', /the epochs are damaged/],
    ['no identity', () => rmSync(join(copy, 'partition.json')), 'partition.json', /it is missing/],
  ];
  for (const [what, damage, file, problem] of damages) {
    rmSync(copy, { recursive: true, force: true });
    cpSync(partition, copy, { recursive: true });
    damage();
    const { code, stdout, stderr } = await run('log', 'verify', copy);
    t.is(code, 1, what);
    const found = rowsOf(stdout);
    t.true(
      found.some(({ path, problem: said }) => path === join(copy, file) && problem.test(String(said))),
      `${what}: ${stdout}${stderr}`,
    );
  }
  rmSync(copy, { recursive: true, force: true });
  cpSync(partition, copy, { recursive: true });
  flip(first, 100);
  const dumped = await run('log', 'dump', copy);
  t.is(dumped.code, 1);
  t.regex(dumped.stderr, /\.log at byte 0: its CRC does not match/);
});

test('verify needs no lock: it works beside the node', async (t) => {
  const data = join(temporaryFolder(t), 'data');
  const { endpoint } = await startServer(t, ['--dir', data]);
  await moldau(['produce', 'live', '-s', endpoint], { stdin: 'a\n' });
  const { code, stderr } = await run('log', 'verify', data);
  t.is(code, 0);
  t.regex(stderr, /^17 partitions, 17 segments, \d+ batches, \d+ bytes: no damage\n$/);
});
