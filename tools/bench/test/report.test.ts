import test from 'ava';
import { reached } from '../src/goals.ts';
import { goalTable } from '../src/report.ts';
import { Measured } from '../src/samples.ts';

function verdictOf(what: string, unit: 'MB/s' | 'ms', to: string, ours: number, other: number): string {
  const measured = new Measured();
  measured.add(what, 'Moldau', unit, ours);
  measured.add(what, to, unit, other);
  const [, , row = ''] = goalTable(reached(measured)).split('\n');
  return row.split('|').at(-2)?.trim() ?? '';
}

test('a ceiling that was slower than what it bounds is none; what is no ceiling may be', (t) => {
  const cold = (ours: number): string => verdictOf('cold read', 'MB/s', 'bare file through a gRPC stream', ours, 100);
  t.deepEqual([60, 80, 150, 151].map(cold), ['**missed**', 'floor held', 'goal reached', 'no ceiling in this run']);
  const p50 = (ours: number): string =>
    verdictOf('end to end at 1 000 records/s, p50', 'ms', 'bare round trip + fdatasync', ours, 1);
  t.deepEqual([3, 0.5, 0.49].map(p50), ['**missed**', 'goal reached', 'no ceiling in this run']);
  t.is(verdictOf('1 KiB, 1 partition, produce', 'MB/s', 'Apache Kafka', 300, 100), 'goal reached');
});
