import test from 'ava';
import { latencyReport } from '../src/latencies.ts';
import { sendPaced } from '../src/pace.ts';

test('a quantile is the smallest latency that so many do not exceed', (t) => {
  const latencies = Float64Array.from({ length: 1_000 }, (_, i) => ((i * 7) % 1_000) + 1);
  t.deepEqual(latencyReport(latencies), { records: 1_000, p50: 500, p99: 990, p999: 999, max: 1_000 });
});

test('what is due is sent in its order and not before; what is late, at once', async (t) => {
  const startMs = performance.now() - 50;
  const dueMs = (index: number): number => startMs + index * 10;
  const sent: number[] = [];
  await sendPaced(8, dueMs, (index) => {
    t.true(performance.now() >= dueMs(index));
    sent.push(index);
  });
  t.deepEqual(sent, [0, 1, 2, 3, 4, 5, 6, 7]);
});
