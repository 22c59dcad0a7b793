import { offset } from '@moldau/kernel';
import test from 'ava';
import { testBatch, together } from './support/batches.ts';
import { Bench, epoch, headersOf, offsetsOf } from './support/bench.ts';

test('what is appended gets the next offsets, becomes durable, and is read back', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(3));
  const durable: bigint[] = [];
  log.onDurable((end) => durable.push(end));
  const result = log.append(testBatch({ records: 3 }));
  t.like(result, { kind: 'appended', baseOffset: 0n, lastOffset: 2n, nextOffset: 3n });
  t.is(log.logEnd, offset(3));
  t.is(log.durableEnd, offset(0), 'nothing is durable before its sync');
  log.append(together(testBatch(), testBatch({ records: 2 })));
  await bench.settle(log);
  t.is(durable.at(-1), 6n);
  const slice = await bench.read(log, 0);
  t.deepEqual(offsetsOf(slice), [0, 3, 4]);
  t.true(headersOf(slice).every((header) => header.leaderEpoch === 3));
  t.is(slice.nextOffset, offset(6));
});

test('a clean stop and start keeps everything, without a scan', async (t) => {
  const bench = new Bench();
  let log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 50; i += 1) log.append(testBatch({ payloadBytes: 300, fill: i }));
  await bench.settle(log);
  log.advanceHighWatermark(offset(40));
  await bench.close();
  log = await bench.reopen({ bootId: 'boot-2' });
  t.deepEqual(log.found, { state: 'clean', lastEpoch: epoch(1), durableEnd: offset(50) });
  t.is(log.highWatermark, offset(40));
  t.is(log.logEnd, offset(50));
  const slice = await bench.read(log, 17, 400);
  t.deepEqual(offsetsOf(slice), [17]);
  log.lead(epoch(2));
  t.like(log.append(testBatch()), { baseOffset: 50n });
  await bench.settle(log);
});

test('power loss keeps what was durable', async (t) => {
  const bench = new Bench(7);
  let log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 20; i += 1) log.append(testBatch({ payloadBytes: 700, fill: i }));
  await bench.settle(log);
  log.append(testBatch({ payloadBytes: 5000 }));
  bench.disk.crash();
  log = await bench.reopen({ bootId: 'boot-2' });
  t.true(log.logEnd >= 20n);
  t.not(log.found.state, 'clean');
  t.not(log.found.state, 'corrupt');
  let from = offset(0);
  const seen: number[] = [];
  while (from < log.logEnd) {
    const slice = await bench.read(log, from, 2000);
    seen.push(...offsetsOf(slice));
    from = slice.nextOffset;
  }
  t.deepEqual(
    seen.slice(0, 20),
    Array.from({ length: 20 }, (_, i) => i),
  );
});

test('segments roll by size, and reads cross them', async (t) => {
  const bench = new Bench(3, { tailCacheBytes: 1 });
  bench.config = { ...bench.config, segmentBytes: 2000 };
  let log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 30; i += 1) log.append(testBatch({ payloadBytes: 339, fill: i }));
  await bench.settle(log);
  t.is(bench.disk.filesBelow('/data/partitions').filter((path) => path.endsWith('.log')).length, 6);
  const seen: number[] = [];
  for (let from = offset(0); from < log.logEnd; ) {
    const slice = await bench.read(log, from);
    seen.push(...offsetsOf(slice));
    from = slice.nextOffset;
  }
  t.deepEqual(
    seen,
    Array.from({ length: 30 }, (_, i) => i),
  );
  await bench.close();
  log = await bench.reopen();
  t.is(log.found.state, 'clean');
  t.deepEqual(offsetsOf(await bench.read(log, 12)), [12, 13, 14]);
});
