import test from 'ava';
import { moldau, onTerminal, start, startServer } from './moldau-process.ts';

test('what bench writes, bench reads and checks; each says how fast it was', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const bench = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await moldau(['bench', ...args, '--output', 'json'], { env });
    t.is(code, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const written = await bench('produce', 'loads', '--records', '5000', '--keys', '100', '--partitions', '3');
  t.is(written.records, 5000);
  t.true(Number(written.records_per_second) > 0);
  for (const how of ['records', 'batches', 'raw']) t.is((await bench('consume', 'loads', '--how', how)).records, 5000);

  const steady = await bench('e2e', '--rate', '100', '--duration', '1s');
  t.is((steady.read as { records: number }).records, 100);
  const { stdout } = await moldau(['topic', 'list', '--output', 'name'], { env });
  t.is(stdout, 'loads\n', 'the topic of e2e is gone');

  const person = await onTerminal(['bench', 'consume', 'loads'], { env, terminal: true });
  t.regex(person.stdout, /consume, record by record: 5,000 records of 100 B in \S+ s: \S+ records\/s/);
});

test('bench tells what it did not write, and says what it can not do', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['produce', 'others'], { env, stdin: `${'x'.repeat(100)}\n${'x'.repeat(100)}\n` });
  const strange = await moldau(['bench', 'consume', 'others'], { env });
  t.is(strange.code, 1);
  const asks = (size: string): string => `was it written by \`moldau bench produce\` with --size ${size}?\n`;
  t.is(strange.stderr, `moldau: offset 0 of others/0 holds another text: ${asks('100B')}`);
  const other = await moldau(['bench', 'consume', 'others', '--size', '64'], { env });
  t.is(other.stderr, `moldau: offset 0 of others/0 holds 100 bytes, not 64: ${asks('64')}`);
  const layout = await moldau(['bench', 'produce', 'others', '--records', '1', '--partitions', '3'], { env });
  t.is(layout.code, 2);
  t.regex(layout.stderr, /--partitions 3: others exists, and has 1 partition\(s\) of 1 replica\(s\)/);
});

for (const [args, problem] of [
  [['produce', '--size', '4B'], /--size 4B: at least 8 bytes/],
  [['produce', '--size', 'unlimited'], /--size unlimited: use 8B to 1MiB/],
  [['produce', '--records', '0'], /--records "0"/],
  [['produce', '--linger', 'soon'], /--linger soon/],
  [['produce', '--linger', 'unlimited'], /--linger unlimited: use 0ms to 1h/],
  [['produce', '--batch-size', '0'], /--batch-size 0: use 1B to 1GiB/],
  [['produce', '--buffer', '0'], /--buffer 0: use 1B to 1TiB/],
  [['consume', '--how', 'fast'], /--how fast/],
  [['e2e', '--rate', '-1'], /--rate "-1"/],
  [['e2e', '--duration', '0s'], /--duration 0s: use a whole number of seconds/],
  [['e2e', '--duration', '1500ms'], /--duration 1500ms: use a whole number of seconds/],
] as const) {
  test(`bench ${args.join(' ')} is refused before anybody is asked`, async (t) => {
    const { code, stderr } = await onTerminal(['bench', ...args], { env: { MOLDAU_ENDPOINTS: 'localhost:1' } });
    t.is(code, 2);
    t.regex(stderr, problem);
  });
}

test('a first Ctrl-C ends a load in order, with its figures, and e2e leaves no topic', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  for (const args of [
    ['produce', 'slow', '--rate', '100'],
    ['e2e', '--rate', '100', '--duration', '600s'],
  ]) {
    const running = start(['bench', ...args, '--output', 'json'], { env });
    const isThere = args[0] === 'e2e' ? /moldau-bench-e2e-/ : /slow/;
    while (!isThere.test((await moldau(['topic', 'list', '--output', 'name'], { env })).stdout));
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    t.is(code, 0, stderr);
    t.regex(stderr, /interrupted after \d+ of \d+ records/);
    t.is((JSON.parse(stdout) as Record<string, unknown>).asked_records_per_second, 100);
  }
  t.is((await moldau(['topic', 'list', '--output', 'name'], { env })).stdout, 'slow\n');
});

test('what waits for a cluster says so, and gives up after --timeout', async (t) => {
  const { endpoint, server } = await startServer(t);
  const args = ['bench', 'produce', 'lost', '--rate', '1000', '--records', '1000000', '--timeout', '3s'];
  const running = start(args, { env: { MOLDAU_ENDPOINTS: endpoint } });
  while (!/lost/.test((await moldau(['topic', 'list', '-s', endpoint, '--output', 'name'])).stdout));
  server.child.kill('SIGKILL');
  const { code, stderr } = await running.ended;
  t.is(code, 4, stderr);
  t.regex(stderr, /waiting: .* \(giving up after 3s\)/);
});
