import type { Latencies } from '@moldau/bench';
import test from 'ava';
import { benchedLatencies, benchedLoad, fellBehind } from '../src/bench-report.ts';

const latencies = (records: number): Latencies => ({ records, p50: 1, p95: 2, p99: 3, p999: 4, max: 5 });
const load = {
  topic: 't',
  perSecond: 1_000_000,
  seconds: 10,
  warmUpSeconds: 1,
  valueBytes: 100,
  producer: {},
};

test('percentiles are told that the records can carry, and how many those were', (t) => {
  const told = (records: number): string => {
    const report = { records: 11_000_000, startedAtMs: 0, endedAtMs: 11_000 };
    const both = { acknowledged: latencies(records), read: latencies(records) };
    return (
      benchedLatencies(load, { ...report, ...both }, false)
        .table()
        .split('\n')[1] ?? ''
    );
  };
  t.is(told(0), 'acknowledged  0 timed');
  t.is(told(1), 'acknowledged  max 5 ms, 1 timed');
  t.is(told(99), 'acknowledged  p50 1 ms, p95 2 ms, max 5 ms, 99 timed');
  t.is(told(977), 'acknowledged  p50 1 ms, p95 2 ms, p99 3 ms, max 5 ms, 977 timed');
  t.is(told(1_000), 'acknowledged  p50 1 ms, p95 2 ms, p99 3 ms, p99.9 4 ms, max 5 ms, 1,000 timed');
});

test('a rate that was not kept is told as what was reached', (t) => {
  const report = { records: 11_000_000, startedAtMs: 0, endedAtMs: 22_000 };
  t.true(fellBehind(1_000_000, report));
  t.false(fellBehind(1_000_000, { ...report, endedAtMs: 11_500 }), 'the last ones take their time');
  const both = { acknowledged: latencies(1), read: latencies(1) };
  const { thing, table } = benchedLatencies(load, { ...report, ...both }, true);
  t.regex(table(), /^500,000 records\/s \(of 1,000,000 asked\) of 100 B for 21 s, /);
  t.like(thing, { records_per_second: 500_000, asked_records_per_second: 1_000_000 });
});

test('the processor time of a steady rate is not told: most of it is waiting', (t) => {
  const use = { cpuSeconds: 2, peakMiB: 100, gcSeconds: 0.1, loopDelayP99Ms: 1 };
  const report = { ...use, records: 1_000, startedAtMs: 0, endedAtMs: 1_000, latencies: latencies(1_000) };
  t.is(benchedLoad('produce', { valueBytes: 100 }, report).thing.cpu_seconds, 2);
  const paced = benchedLoad('produce', { valueBytes: 100, perSecond: 1_000 }, report);
  t.false('cpu_seconds' in paced.thing);
  t.notRegex(paced.table(), /2\.00 s/);
});
