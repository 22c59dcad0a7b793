import test from 'ava';
import { consumedOf, producedOf } from '../src/systems/kafka/tool-output.ts';

const producer = `
597362 records sent, 119424.6 records/sec (11.39 MB/sec), 143.9 ms avg latency, 745.0 ms max latency.
900000 records sent, 119537.787223 records/sec (11.40 MB/sec), 98.61 ms avg latency, 745.00 ms max latency, 12 ms 50th, 534 ms 95th, 576 ms 99th, 616 ms 99.9th.
`;
const consumer = `
start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
2026-11-25 19:21:46:171, 2026-11-25 19:21:48:050, 85.8307, 45.6789, 900000, 478978.1799, 599, 1280, 67.0552, 703125.0000
`;

test('of what the producer prints its last line counts', (t) => {
  const { records, seconds } = producedOf(producer);
  t.is(records, 900_000);
  t.is(seconds.toFixed(3), '7.529');
});

test('of what the consumer prints the time for fetching counts', (t) => {
  t.deepEqual(consumedOf(consumer), { records: 900_000, seconds: 1.28 });
});

test('one that has not come to its end is not taken for a run', (t) => {
  t.throws(() => producedOf(producer.split('\n').slice(0, 2).join('\n')), { message: /not come to its end/ });
  t.throws(() => consumedOf(consumer.split('\n').slice(0, 2).join('\n')), { message: /not come to its end/ });
  t.throws(() => consumedOf('no such topic'), { message: /not come to its end/ });
});
