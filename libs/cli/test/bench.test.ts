import test from 'ava';
import { moldau, onTerminal, startServer } from './moldau-process.ts';

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

test('bench finds what it did not write, and says what it can not do', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['produce', 'others'], { env, stdin: `${'x'.repeat(100)}\n${'x'.repeat(100)}\n` });
  const strange = await moldau(['bench', 'consume', 'others'], { env });
  t.is(strange.code, 1);
  t.regex(strange.stderr, /number \d+ of writer \d+ behind \d+/);
  const other = await moldau(['bench', 'consume', 'others', '--size', '64'], { env });
  t.regex(other.stderr, /a value of 100 bytes: not what was written/);
  for (const args of [
    ['produce', '--size', '4B'],
    ['produce', '--records', '0'],
    ['produce', '--linger', 'soon'],
    ['consume', '--how', 'fast'],
    ['e2e', '--rate', '-1'],
  ]) {
    t.is((await moldau(['bench', ...args], { env })).code, 2, args.join(' '));
  }
});
