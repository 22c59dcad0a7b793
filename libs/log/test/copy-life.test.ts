import { FileError, hasReason, leaderEpoch, offset, partitionKey } from '@moldau/kernel';
import test from 'ava';
import type { PartitionLog } from '../src/index.ts';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, identity, offsetsOf } from './support/bench.ts';
import { bytesOf, copyAll, pieceOf } from './support/copies.ts';

const producer = { producerId: 8n, producerEpoch: 0 };
const partition = '/data/partitions/t0-0';
const logFile = `${partition}/${'0'.repeat(20)}.log`;

/** Twenty batches of 100 bytes: ten of epoch 1, ten of epoch 3 of one producer. */
async function twenty(seed = 1, segmentBytes = 300, tailCacheBytes = 1 << 20): Promise<[Bench, PartitionLog]> {
  const bench = new Bench(seed, { tailCacheBytes });
  bench.config = { ...bench.config, segmentBytes };
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 10; i += 1) log.append(testBatch({ fill: i, payloadBytes: 39 }));
  log.lead(epoch(3));
  for (let i = 0; i < 10; i += 1) {
    log.append(testBatch({ fill: i, payloadBytes: 39, ...producer, sequence: i }));
  }
  await bench.settle(log);
  log.stopLeading();
  await bench.time.runFor(2_000);
  return [bench, log];
}

test('a truncation says where the log ends, at a batch boundary', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  log.append(testBatch({ records: 4 }));
  log.append(testBatch({ records: 4 }));
  await bench.settle(log);
  t.is(await bench.run(log.truncate(offset(99))), offset(8));
  t.is(await bench.run(log.truncate(offset(6))), offset(4));
  t.is(log.durableEnd, offset(4));
  t.is(await bench.run(log.truncate(offset(0))), offset(0));
  t.is(log.logEnd, offset(0));
});

test('a truncation is whole wherever the process ends: files, epochs and producers', async (t) => {
  const ends = new Set<bigint>();
  for (let elapsed = 0; elapsed < 7; elapsed += 0.05) {
    const seed = Math.round(elapsed * 100);
    const [bench, log] = await twenty(seed);
    const before = await bytesOf(bench, log);
    log.truncate(offset(7)).catch(() => {});
    await bench.time.runFor(elapsed);
    if (seed % 2 === 0) bench.disk.crash();
    else bench.disk.kill();
    const copy = await bench.reopen({ bootId: 'boot-2' });
    const why = `after ${elapsed} ms`;
    t.not(copy.found.state, 'corrupt', why);
    ends.add(copy.logEnd);
    t.true(copy.logEnd === 20n || copy.logEnd === 7n, why);
    t.deepEqual(await bytesOf(bench, copy), before.subarray(0, Number(copy.logEnd) * 100), why);
    t.is(copy.lastEpoch, leaderEpoch(copy.logEnd === 20n ? 3 : 1), why);
    // The next leader has epoch 2 where epoch 3 was cut.
    if (copy.logEnd === 20n) continue;
    copy.lead(epoch(2));
    t.throws(() => copy.append(testBatch({ ...producer, sequence: 5 })), { message: /is not known here/ }, why);
    t.like(copy.append(testBatch({ ...producer, sequence: 0 })), { kind: 'appended', baseOffset: 7n }, why);
    await bench.settle(copy);
    bench.disk.crash();
    const again = await bench.reopen({ bootId: 'boot-3' });
    t.deepEqual(
      again.epochTail(9),
      [
        { epoch: leaderEpoch(1), start: offset(0) },
        { epoch: leaderEpoch(2), start: offset(7) },
      ],
      why,
    );
  }
  t.deepEqual([...ends].sort(), [20n, 7n]);
});

test('a kill amid a truncation leaves no index that speaks of what is gone', async (t) => {
  const cuts = new Set<bigint>();
  for (let elapsed = 1; elapsed < 3; elapsed += 0.05) {
    const bench = new Bench(1, { tailCacheBytes: 1 });
    const whole = await bench.log();
    whole.lead(epoch(1));
    for (let i = 0; i < 100; i += 1) {
      whole.append(testBatch({ payloadBytes: 600 }));
      if (i < 2) await bench.settle(whole);
    }
    await bench.settle(whole);
    // A stop in order keeps the index of the segment that is appended to.
    await bench.close();
    (await bench.reopen()).truncate(offset(50)).catch(() => {});
    await bench.time.runFor(elapsed);
    bench.disk.kill();
    const cut = await bench.reopen();
    cuts.add(cut.logEnd);
    cut.lead(epoch(2));
    // Past where it ended before, with batches of another size.
    for (let i = 0; i < 150; i += 1) cut.append(testBatch({ payloadBytes: 777 }));
    await bench.settle(cut);
    await bench.time.runFor(2_000);
    bench.disk.kill();
    const grown = await bench.reopen();
    for (let at = 0n; at < grown.logEnd; at += 1n) {
      t.deepEqual(offsetsOf(await bench.read(grown, Number(at), 1)), [Number(at)], `@${at} after ${elapsed} ms`);
    }
    t.is(await bench.run(grown.truncate(offset(75))), offset(75), `after ${elapsed} ms`);
  }
  t.deepEqual([...cuts].sort(), [100n, 50n]);
});

test('a truncation waits for space, and nothing is appended meanwhile', async (t) => {
  const [bench, log] = await twenty();
  const piece = await pieceOf(bench, log, 10);
  bench.disk.fail('append', 'ENOSPC', 1, 'checkpoint');
  bench.disk.fail('append', 'ENOSPC', 1, 'leader-epochs');
  const truncating = log.truncate(offset(10));
  await bench.time.runUntil(() => bench.directory?.diskState === 'full');
  t.is(piece && log.appendReplica({ ...piece, from: log.logEnd }), 'gap');
  t.is(await bench.run(truncating), offset(10));
  t.is(piece && log.appendReplica(piece), undefined);
  await bench.settle(log);
  bench.disk.crash();
  t.is((await bench.reopen({ bootId: 'boot-2' })).logEnd, offset(20), 'the truncation is over');
});

for (const [file, times] of [
  ['checkpoint', 2],
  ['leader-epochs', 5],
] as const) {
  test(`a truncation that finds no space for the ${file} until the close is left to the next start`, async (t) => {
    const [bench, log] = await twenty();
    for (let i = 0; i < times; i += 1) bench.disk.fail('append', 'ENOSPC', 1, file);
    const truncating = log.truncate(offset(10));
    truncating.catch(() => {});
    await bench.time.runFor(500);
    await bench.close();
    await t.throwsAsync(truncating, { name: 'FileError' });
    bench.disk.heal();
    const reopened = await bench.reopen();
    t.is(reopened.logEnd, offset(10));
    t.deepEqual(reopened.epochTail(9), [{ epoch: leaderEpoch(1), start: offset(0) }]);
    const snapshots = bench.disk.filesBelow(partition).filter((path) => path.endsWith('.producers'));
    t.true(snapshots.every((path) => path <= `${partition}/00000000000000000010.producers`));
  });
}

test('a copy that is reset begins anew where its leader says', async (t) => {
  const [source, leader] = await twenty();
  leader.advanceHighWatermark(offset(20));
  await source.run(leader.trim(offset(14)));
  const [bench, copy] = await twenty(2);
  copy.advanceHighWatermark(offset(20));
  await bench.run(copy.markCorrupt());
  await bench.run(copy.reset(offset(14), { covering: leader.epochCovering(offset(14)) }));
  t.like(copy, { logStart: 14n, logEnd: 14n, durableEnd: 14n, highWatermark: 14n, isCorrupt: false });
  t.deepEqual(copy.epochTail(9), [{ epoch: leaderEpoch(3), start: offset(10) }]);
  t.true(hasReason(await t.throwsAsync(bench.read(copy, 13)), 'OFFSET_OUT_OF_RANGE'));
  t.deepEqual(
    bench.disk.filesBelow(partition).filter((path) => !/leader-epochs|partition.json/.test(path)),
    [`${partition}/00000000000000000014.log`],
  );
  await copyAll(source, leader, bench, copy);
  bench.disk.crash();
  const reopened = await bench.reopen({ bootId: 'boot-2' });
  t.false(reopened.isCorrupt);
  t.is(reopened.found.state, 'unclean');
  t.deepEqual(await bytesOf(bench, reopened), await bytesOf(source, leader));
  t.deepEqual(reopened.epochTail(9), leader.epochTail(9));
});

test('a reset to a lower start, and to where a segment began, mixes nothing', async (t) => {
  for (const to of [0, 3, 6]) {
    const [bench, copy] = await twenty();
    copy.advanceHighWatermark(offset(20));
    await bench.run(copy.trim(offset(6)));
    await bench.run(copy.reset(offset(to)));
    copy.lead(epoch(9));
    const batch = testBatch({ fill: 200, ...producer, sequence: 0 });
    t.is(copy.append(batch).kind, 'appended', 'the producers of the old copy are forgotten');
    await bench.settle(copy);
    t.deepEqual(await bytesOf(bench, copy), Buffer.from(batch));
    await bench.close();
    const reopened = await bench.reopen();
    t.deepEqual(await bytesOf(bench, reopened), Buffer.from(batch));
    t.deepEqual(offsetsOf(await bench.read(reopened, to)), [to]);
  }
});

test('a sync of the old copy that ends behind a reset is forgotten', async (t) => {
  for (let elapsed = 0; elapsed < 3; elapsed += 0.05) {
    const [bench, copy] = await twenty(Math.round(elapsed * 100));
    copy.lead(epoch(4));
    copy.append(testBatch());
    await bench.time.runFor(elapsed);
    await bench.run(copy.reset(offset(5)));
    await bench.time.runFor(3_000);
    bench.disk.crash();
    const reopened = await bench.reopen({ bootId: 'boot-2' });
    t.like(reopened, { logStart: 5n, logEnd: 5n, isCorrupt: false }, `after ${elapsed} ms`);
  }
});

test('a reset is whole, or the copy is empty and corrupt, wherever the process ends', async (t) => {
  const seen = new Set<string>();
  for (let elapsed = 0; elapsed < 10; elapsed += 0.05) {
    const seed = Math.round(elapsed * 100);
    const [source, leader] = await twenty();
    const [bench, log] = await twenty(seed);
    const before = await bytesOf(bench, log);
    log.reset(offset(12), { covering: { epoch: leaderEpoch(3), start: offset(10) } }).catch(() => {});
    await bench.time.runFor(elapsed);
    if (seed % 2 === 0) bench.disk.crash();
    else bench.disk.kill();
    // And once more, while that is put in order.
    bench.open({ bootId: 'boot-2' }).catch(() => {});
    await bench.time.runFor(elapsed / 2);
    bench.disk.crash();
    const copy = await bench.reopen({ bootId: 'boot-2' });
    const why = `after ${elapsed} ms`;
    seen.add(`${copy.logEnd} ${copy.isCorrupt}`);
    if (copy.logEnd === 20n) {
      t.false(copy.isCorrupt, why);
      t.deepEqual(await bytesOf(bench, copy), before, why);
      continue;
    }
    t.like(copy, { logStart: 12n, logEnd: 12n, highWatermark: 12n }, why);
    t.is(copy.isCorrupt, copy.found.state === 'corrupt', why);
    if (copy.isCorrupt) await bench.run(copy.reset(offset(12), { covering: leader.epochCovering(offset(12)) }));
    t.false(copy.isCorrupt, why);
    await copyAll(source, leader, bench, copy);
    bench.disk.crash();
    const again = await bench.reopen({ bootId: 'boot-3' });
    t.deepEqual(await bytesOf(bench, again), before.subarray(1200), why);
    t.deepEqual(again.epochTail(9), leader.epochTail(9).slice(1), why);
  }
  t.deepEqual([...seen].sort(), ['12 false', '12 true', '20 false']);
});

test('damage that was noted is found at every start, until the copy is reset', async (t) => {
  const [bench, log] = await twenty();
  t.false(log.isCorrupt);
  await bench.run(log.markCorrupt());
  for (const bootId of ['boot-1', 'boot-2']) {
    bench.disk.crash();
    const reopened = await bench.reopen({ bootId });
    t.true(reopened.isCorrupt);
    t.is(reopened.found.state, 'corrupt');
    t.is(reopened.logEnd, offset(20), 'nothing of it is cut');
  }
  const log2 = await bench.log();
  await bench.run(log2.reset(offset(0)));
  bench.disk.crash();
  const healed = await bench.reopen({ bootId: 'boot-3' });
  t.false(healed.isCorrupt);
  t.is(healed.found.state, 'unclean');
});

test('a reset replaces what was missing altogether', async (t) => {
  const [bench] = await twenty();
  await bench.close();
  bench.disk.remove(partition);
  const log = await bench.reopen();
  t.true(log.isCorrupt);
  await bench.run(log.reset(offset(5)));
  await bench.close();
  const healed = await bench.reopen();
  t.false(healed.isCorrupt);
  t.is(healed.logStart, offset(5));
});

test('a follower’s log start follows, as far as its copy reaches, and is seen only when it is durable', async (t) => {
  const [bench, log] = await twenty();
  const moving = log.advanceLogStart(offset(7));
  await bench.time.runFor(0);
  t.is(log.logStart, offset(0));
  await bench.run(moving);
  t.is(log.logStart, offset(7));
  t.is(log.highWatermark, offset(7));
  t.is(bench.disk.filesBelow(partition).filter((path) => path.endsWith('.log')).length, 5);
  bench.disk.crash();
  const reopened = await bench.reopen({ bootId: 'boot-2' });
  t.is(reopened.logStart, offset(7));
  await bench.run(reopened.advanceLogStart(offset(5)));
  t.is(reopened.logStart, offset(7), 'it never goes back');
  await bench.run(reopened.advanceLogStart(offset(99)));
  t.is(reopened.logStart, offset(20));
});

test('a log start that found no space to be noted is noted later', async (t) => {
  const [bench, log] = await twenty();
  bench.disk.fail('append', 'ENOSPC', 1, 'checkpoint');
  await t.throwsAsync(bench.run(log.advanceLogStart(offset(7))), { instanceOf: FileError });
  t.is(log.logStart, offset(0));
  await bench.run(log.advanceLogStart(offset(7)));
  t.is(log.logStart, offset(7));
});

test('a follower removes nothing on its own', async (t) => {
  const [bench, log] = await twenty();
  log.advanceHighWatermark(offset(20));
  log.configure({ ...bench.config, retentionBytes: 500 });
  await bench.run(log.applyRetention(bench.time.wallMs()));
  t.is(log.logStart, offset(0));
  log.lead(epoch(4));
  await bench.run(log.applyRetention(bench.time.wallMs()));
  t.is(log.logStart, offset(15));
});

test('two copies have the same hash, whatever their segments are', async (t) => {
  const [bench, log] = await twenty(1, 300);
  const [other, copy] = await twenty(2, 1 << 20, 1);
  for (const [from, to] of [
    [0, 20],
    [3, 17],
    [5, 5],
  ] as const) {
    const [mine, theirs] = [
      await bench.run(log.hashRange(offset(from), offset(to))),
      await other.run(copy.hashRange(offset(from), offset(to))),
    ];
    t.deepEqual(mine, theirs);
    t.is(mine.end, offset(to));
  }
  const whole = await bench.run(log.hashRange(offset(0), offset(20)));
  t.not((await bench.run(log.hashRange(offset(0), offset(19)))).hash, whole.hash);
  t.not((await bench.run(log.hashRange(offset(1), offset(20)))).hash, whole.hash);
});

test('a hash takes whole batches only', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 4; i += 1) log.append(testBatch({ records: 5, fill: i }));
  await bench.settle(log);
  const inner = await bench.run(log.hashRange(offset(5), offset(15)));
  t.deepEqual(await bench.run(log.hashRange(offset(2), offset(18))), inner);
  t.is(inner.end, offset(15));
});

test('a hash sees the disk, not the cache, and says where it is damaged', async (t) => {
  const [bench, log] = await twenty(1, 1 << 20);
  bench.disk.flipBit(logFile, (1500 + 80) * 8);
  t.is((await bench.read(log, 15)).sizeBytes, 500, 'the cache has it whole');
  const ranges: unknown[] = [];
  log.onDamage((range) => ranges.push(range));
  const error = await t.throwsAsync(bench.run(log.hashRange(offset(0), offset(20))));
  t.true(hasReason(error, 'CORRUPT_DATA'));
  t.deepEqual(ranges, [{ from: offset(15), to: offset(16) }]);
  await t.notThrowsAsync(bench.run(log.hashRange(offset(0), offset(15))));
});

test('a hash ends when nobody wants it any more, or when the log is cut under it', async (t) => {
  const [bench, log] = await twenty();
  await t.throwsAsync(bench.run(log.hashRange(offset(0), offset(20), AbortSignal.abort())), { name: 'AbortError' });
  const hashing = log.hashRange(offset(0), offset(20));
  const [error] = await bench.run(Promise.all([t.throwsAsync(hashing), log.truncate(offset(5))]));
  t.true(hasReason(error, 'NOT_SERVING') || hasReason(error, 'OFFSET_OUT_OF_RANGE'), String(error));
});

test('catching up reads above the high watermark, from disk, and leaves the tail where it is', async (t) => {
  // Five batches of a hundred bytes, with what the cache takes for each.
  const [bench, log] = await twenty(1, 1 << 20, 5 * (100 + 512));
  t.is(log.highWatermark, offset(0));
  const limits = { maxBytes: 1 << 20, below: log.writtenEnd };
  t.is(log.readTail(offset(3), limits), undefined);
  t.is(log.readTail(offset(15), limits)?.sizeBytes, 500);
  const piece = await pieceOf(bench, log, 3);
  t.is(piece?.bytes.length, 1700);
  t.is(log.readTail(offset(15), limits)?.sizeBytes, 500);
});

test('a damaged batch is never pushed to a copy', async (t) => {
  const [bench, log] = await twenty(1, 1 << 20, 1);
  bench.disk.flipBit(logFile, (1200 + 80) * 8);
  const ranges: unknown[] = [];
  log.onDamage((range) => ranges.push(range));
  t.is((await pieceOf(bench, log, 8))?.bytes.length, 400, 'up to the damage');
  t.true(hasReason(await t.throwsAsync(pieceOf(bench, log, 12)), 'CORRUPT_DATA'));
  t.deepEqual(ranges, [{ from: offset(12), to: offset(13) }]);
});

test('a read that a cut overtakes is no damage', async (t) => {
  for (let elapsed = 0; elapsed < 5; elapsed += 0.1) {
    for (const cut of ['truncate', 'reset'] as const) {
      const [bench, log] = await twenty(Math.round(elapsed * 10), 300, 1);
      log.onDamage((range) => t.fail(`after ${elapsed} ms of a ${cut}: ${range.from}…${range.to}`));
      const cutting = cut === 'truncate' ? log.truncate(offset(4)) : log.reset(offset(4));
      await bench.time.runFor(elapsed);
      const outcomes = [2, 9, 15].map((from) =>
        log.read(offset(from), { maxBytes: 1 << 20, below: log.writtenEnd }).catch((error: unknown) => {
          t.true(hasReason(error, 'NOT_SERVING') || hasReason(error, 'OFFSET_OUT_OF_RANGE'), String(error));
        }),
      );
      await bench.run(Promise.all([cutting, ...outcomes]));
    }
  }
});

test('a log is made anew while an older copy of it is still set aside', async (t) => {
  const [bench] = await twenty();
  const { directory } = bench;
  if (directory === undefined) return t.fail('it is open');
  const key = partitionKey(identity.topicId, identity.partition);
  bench.disk.fail('append', 'ENOSPC', 1, 'checkpoint');
  await t.throwsAsync(bench.run(directory.remove(key)), { instanceOf: FileError });
  const fresh = await bench.run(directory.create(identity, bench.config));
  fresh.lead(epoch(7));
  fresh.append(testBatch());
  await bench.settle(fresh);
  bench.disk.crash();
  const reopened = await bench.reopen({ bootId: 'boot-2' });
  t.is(reopened.logEnd, offset(1));
  t.is(reopened.found.state, 'unclean', 'the checkpoint does not speak of the older copy');
  t.is(bench.disk.filesBelow('/data/partitions').filter((path) => !path.startsWith(`${partition}/`)).length, 0);
});
