import { hasReason, leaderEpoch, offset } from '@moldau/kernel';
import { BatchBuilder } from '@moldau/records';
import test from 'ava';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, offsetsOf } from './support/bench.ts';

const start = Date.UTC(2030, 0, 1);
const minute = 60_000;

/** Twenty batches of 100 bytes, a minute apart, five to a segment. */
async function twenty(seed = 1): Promise<Bench> {
  const bench = new Bench(seed, { tailCacheBytes: 1 });
  bench.config = { ...bench.config, segmentBytes: 500, timestampAheadMaxMs: 100 * minute };
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 20; i += 1) log.append(testBatch({ payloadBytes: 39, timestampMs: start + i * minute }));
  await bench.settle(log);
  return bench;
}

const segments = (bench: Bench): number =>
  bench.disk.filesBelow('/data/partitions').filter((path) => path.endsWith('.log')).length;

test('a trim moves the start, and whole segments leave the disk', async (t) => {
  const bench = await twenty();
  let log = await bench.log();
  log.advanceHighWatermark(offset(20));
  await bench.run(log.trim(offset(7)));
  t.is(log.logStart, offset(7));
  t.is(segments(bench), 3);
  t.true(hasReason(await t.throwsAsync(bench.read(log, 6)), 'OFFSET_OUT_OF_RANGE'));
  t.deepEqual(offsetsOf(await bench.read(log, 7)), [7, 8, 9]);
  bench.disk.crash();
  log = await bench.reopen();
  t.is(log.logStart, offset(7), 'it survives power loss');
  t.deepEqual(log.epochEnd(leaderEpoch(5)), { epoch: leaderEpoch(1), end: offset(20) });
});

test('nothing above the high watermark is trimmed', async (t) => {
  const bench = await twenty();
  const log = await bench.log();
  log.advanceHighWatermark(offset(9));
  t.true(hasReason(await t.throwsAsync(bench.run(log.trim(offset(10)))), 'OFFSET_OUT_OF_RANGE'));
});

test('retention by age removes whole segments, never above the high watermark', async (t) => {
  const bench = await twenty();
  const log = await bench.log();
  log.configure({ ...bench.config, retentionMs: 5 * minute });
  await bench.run(log.applyRetention(start + 100 * minute));
  t.is(log.logStart, offset(0), 'nothing is committed');
  log.advanceHighWatermark(offset(12));
  await bench.run(log.applyRetention(start + 100 * minute));
  t.is(log.logStart, offset(10));
  log.advanceHighWatermark(offset(20));
  await bench.run(log.applyRetention(start + 20 * minute));
  t.is(log.logStart, offset(15), 'the newest record of the last segment is a minute old');
  await bench.run(log.applyRetention(start + 100 * minute));
  t.is(log.logStart, offset(20), 'an expired active segment ends, and goes');
  t.like(log.append(testBatch()), { baseOffset: 20n });
  await bench.settle(log);
});

test('retention by size keeps at least that much', async (t) => {
  const bench = await twenty();
  const log = await bench.log();
  log.advanceHighWatermark(offset(20));
  log.configure({ ...bench.config, retentionBytes: 1000 });
  await bench.run(log.applyRetention(start));
  t.is(log.logStart, offset(10));
  t.is(log.sizeBytes, 1000);
});

test('the directory applies retention by itself, by the earlier of two clocks', async (t) => {
  let coordinatorMs = start;
  const bench = new Bench(1, { retentionEveryMs: 1000, coordinatorMs: () => coordinatorMs });
  bench.config = { ...bench.config, segmentBytes: 200, retentionMs: minute };
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 4; i += 1) log.append(testBatch({ payloadBytes: 39, timestampMs: start }));
  await bench.settle(log);
  log.advanceHighWatermark(offset(4));
  bench.time.jumpWall(10 * minute);
  await bench.time.runFor(3000);
  t.is(log.logStart, offset(0), 'a clock that runs ahead removes nothing');
  coordinatorMs += 10 * minute;
  await bench.time.runFor(3000);
  t.is(log.logStart, offset(4));
});

test('a truncation cuts files, epochs, producers and the tail together', async (t) => {
  const bench = await twenty();
  const log = await bench.log();
  log.lead(epoch(3));
  const mine = { producerId: 8n, producerEpoch: 0 };
  log.append(testBatch({ ...mine, sequence: 0 }));
  log.append(testBatch({ ...mine, sequence: 1 }));
  await bench.settle(log);
  await bench.run(log.truncate(offset(21)));
  t.is(log.logEnd, offset(21));
  t.is(log.durableEnd, offset(21));
  t.is(log.lastEpoch, leaderEpoch(3));
  log.lead(epoch(4));
  t.like(log.append(testBatch({ ...mine, sequence: 0 })), { kind: 'duplicate', baseOffset: 20n });
  t.like(log.append(testBatch({ ...mine, sequence: 1 })), { kind: 'appended', baseOffset: 21n });
  await bench.settle(log);
  await bench.run(log.truncate(offset(12)));
  t.deepEqual(log.epochEnd(leaderEpoch(9)), { epoch: leaderEpoch(1), end: offset(12) });
  log.lead(epoch(5));
  t.true(
    hasReason(
      t.throws(() => log.append(testBatch({ ...mine, sequence: 2 }))),
      'UNKNOWN_PRODUCER',
    ),
  );
  log.append(testBatch());
  await bench.settle(log);
  t.deepEqual(offsetsOf(await bench.read(log, 10)), [10, 11, 12].slice(0, 3));
});

test('epochs end where the next one begins', async (t) => {
  const bench = await twenty();
  const log = await bench.log();
  log.lead(epoch(4));
  log.lead(epoch(6));
  log.append(testBatch());
  t.deepEqual(log.epochEnd(leaderEpoch(1)), { epoch: leaderEpoch(1), end: offset(20) });
  t.deepEqual(log.epochEnd(leaderEpoch(5)), { epoch: leaderEpoch(1), end: offset(20) }, 'epoch 4 wrote nothing');
  t.deepEqual(log.epochEnd(leaderEpoch(9)), { epoch: leaderEpoch(6), end: offset(21) });
  t.is(log.epochEnd(leaderEpoch(0)), undefined);
  t.throws(() => log.lead(epoch(6)), { name: 'AssertionFailed' });
  await bench.settle(log);
});

test('a time is resolved to the first record that is not older', async (t) => {
  for (const compression of ['none', 'gzip'] as const) {
    const bench = new Bench();
    bench.config = { ...bench.config, segmentBytes: 3000, timestampAheadMaxMs: 1000 * minute };
    const log = await bench.log();
    log.lead(epoch(1));
    for (let i = 0; i < 90; i += 3) {
      const builder = new BatchBuilder();
      for (let j = i; j < i + 3; j += 1) {
        builder.add({ key: null, value: new Uint8Array(200).fill(j), timestampMs: start + j * minute });
      }
      log.append(new Uint8Array(builder.build(compression)));
    }
    await bench.settle(log);
    for (const wanted of [0, 1, 7, 44, 45, 89]) {
      const expected = { offset: offset(wanted), timestampMs: start + wanted * minute };
      t.deepEqual(await bench.run(log.offsetForTimestamp(start + wanted * minute)), expected);
      if (wanted > 0) t.deepEqual(await bench.run(log.offsetForTimestamp(start + wanted * minute - 1)), expected);
    }
    t.is(await bench.run(log.offsetForTimestamp(start + 90 * minute)), undefined);
    log.advanceHighWatermark(offset(90));
    await bench.run(log.trim(offset(47)));
    t.like(await bench.run(log.offsetForTimestamp(0)), { offset: offset(47) });
  }
});

test('a silent producer is forgotten', async (t) => {
  const bench = new Bench();
  bench.config = { ...bench.config, producerExpiryMs: minute };
  const log = await bench.log();
  log.lead(epoch(1));
  log.append(testBatch({ producerId: 8n, producerEpoch: 0, sequence: 0 }));
  await bench.settle(log);
  bench.time.jumpWall(2 * minute);
  await bench.run(log.applyRetention(bench.time.wallMs()));
  const next = testBatch({ producerId: 8n, producerEpoch: 0, sequence: 1 });
  t.true(
    hasReason(
      t.throws(() => log.append(next)),
      'UNKNOWN_PRODUCER',
    ),
  );
});

test('segments that go while they are read harm neither the readers nor the directory', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const bench = await twenty(seed);
    const log = await bench.log();
    log.advanceHighWatermark(offset(20));
    const limits = { maxBytes: 1 << 20, below: offset(20) };
    let trimmed = false;
    const trim = log.trim(offset(12)).then(() => {
      trimmed = true;
    });
    const readers = Array.from({ length: 6 }, async (_, from) => {
      while (!trimmed) {
        const outcome: unknown = await log.read(offset(from), limits).catch((error: unknown) => error);
        if (outcome instanceof Object && 'chunks' in outcome) continue;
        t.true(hasReason(outcome, 'OFFSET_OUT_OF_RANGE'), `seed ${seed}: ${outcome}`);
        return;
      }
    });
    await bench.run(Promise.all([trim, ...readers]));
    t.is(bench.directory?.failure, undefined, `seed ${seed}`);
    t.like(log.append(testBatch()), { baseOffset: 20n });
  }
});
