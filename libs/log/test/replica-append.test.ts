import { hasReason, leaderEpoch, offset } from '@moldau/kernel';
import { crc32c } from '@moldau/records';
import test from 'ava';
import type { PartitionLog, ReplicaAppend } from '../src/index.ts';
import { testBatch, together } from './support/batches.ts';
import { Bench, epoch } from './support/bench.ts';
import { bytesOf, copyAll, pieceOf } from './support/copies.ts';

const producer = { producerId: 8n, producerEpoch: 0 };

/** A leader's log: offsets 0–4 of epoch 1, 5–7 of epoch 4, 8–9 of epoch 6. */
async function leaderLog(): Promise<[Bench, PartitionLog]> {
  const bench = new Bench(1);
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 5; i += 1) log.append(testBatch({ fill: i, payloadBytes: 39 }));
  log.lead(epoch(4));
  log.append(together(testBatch({ fill: 5 }), testBatch({ fill: 6, records: 2 })));
  log.lead(epoch(5));
  log.lead(epoch(6));
  log.append(testBatch({ fill: 8, ...producer, sequence: 0 }));
  log.append(testBatch({ fill: 9, ...producer, sequence: 1 }));
  await bench.settle(log);
  return [bench, log];
}

async function emptyCopy(seed = 2): Promise<[Bench, PartitionLog]> {
  const bench = new Bench(seed);
  return [bench, await bench.log()];
}

test('a copy is its leader, byte for byte, with its epochs and producers', async (t) => {
  const [source, leader] = await leaderLog();
  const bench = new Bench(2);
  bench.config = { ...bench.config, segmentBytes: 250 };
  let copy = await bench.log();
  await copyAll(source, leader, bench, copy);
  t.deepEqual(await bytesOf(bench, copy), await bytesOf(source, leader));
  t.true(bench.disk.filesBelow('/data/partitions').filter((path) => path.endsWith('.log')).length > 2);
  const expected = [
    { epoch: leaderEpoch(1), start: offset(0) },
    { epoch: leaderEpoch(4), start: offset(5) },
    { epoch: leaderEpoch(6), start: offset(8) },
  ];
  t.deepEqual(copy.epochTail(64), expected, 'epoch 5 wrote nothing');
  bench.disk.crash();
  copy = await bench.reopen({ bootId: 'boot-2' });
  t.deepEqual(await bytesOf(bench, copy), await bytesOf(source, leader));
  t.deepEqual(copy.epochTail(64), expected);
  copy.lead(epoch(7));
  t.like(copy.append(testBatch({ fill: 9, ...producer, sequence: 1 })), { kind: 'duplicate', baseOffset: 9n });
});

test('epochs are found by offset and by range', async (t) => {
  const [, log] = await leaderLog();
  t.deepEqual(
    log.epochTail(2).map((entry) => entry.epoch),
    [leaderEpoch(4), leaderEpoch(6)],
  );
  t.deepEqual(log.epochTail(0), []);
  t.is(log.epochOf(offset(4)), leaderEpoch(1));
  t.is(log.epochOf(offset(5)), leaderEpoch(4));
  t.deepEqual(log.epochsWithin(offset(5), offset(8)), [{ epoch: leaderEpoch(4), start: offset(5) }]);
  t.deepEqual(log.epochsWithin(offset(1), offset(5)), []);
  t.deepEqual(log.epochCovering(offset(7)), { epoch: leaderEpoch(4), start: offset(5) });
  const fresh = await new Bench().log();
  t.is(fresh.epochCovering(offset(0)), undefined);
  t.is(fresh.epochOf(offset(0)), undefined);
});

/** Changes one batch of a piece, and makes its CRC right again. */
function patched(piece: ReplicaAppend, at: number, patch: (view: DataView) => void): ReplicaAppend {
  const bytes = piece.bytes.slice();
  const view = new DataView(bytes.buffer, at);
  const size = 12 + view.getInt32(8);
  patch(view);
  view.setUint32(17, crc32c(bytes.subarray(at + 21, at + size)));
  return { ...piece, bytes };
}

/** The piece is 5–9: batches at bytes 0 (5), 81 (6–7), 162 (8), 243 (9). */
const misfits: [name: string, outcome: string, change: (piece: ReplicaAppend) => ReplicaAppend][] = [
  ['begins behind the end', 'gap', (piece) => ({ ...piece, from: offset(6) })],
  ['begins before the end', 'gap', (piece) => ({ ...piece, from: offset(4) })],
  ['follows another epoch', 'epoch', (piece) => ({ ...piece, previousEpoch: leaderEpoch(2) })],
  ['follows no record', 'epoch', (piece) => ({ ...piece, previousEpoch: leaderEpoch(0) })],
  ['holds nothing', 'corrupt', (piece) => ({ ...piece, bytes: new Uint8Array(0) })],
  ['ends inside a batch', 'corrupt', (piece) => ({ ...piece, bytes: piece.bytes.subarray(0, -1) })],
  [
    'has a flipped bit in its last batch',
    'corrupt',
    (piece) => {
      const bytes = piece.bytes.slice();
      bytes[bytes.length - 1] = 0x55;
      return { ...piece, bytes };
    },
  ],
  ['has another first offset', 'corrupt', (piece) => patched(piece, 0, (view) => view.setBigInt64(0, 6n))],
  ['has a gap between batches', 'corrupt', (piece) => patched(piece, 81, (view) => view.setBigInt64(0, 7n))],
  ['has a batch that ends before it begins', 'corrupt', (piece) => patched(piece, 81, (view) => view.setInt32(23, -1))],
  ['has an epoch that goes back', 'corrupt', (piece) => patched(piece, 81, (view) => view.setInt32(12, 1))],
  [
    'has a batch of an epoch that is not listed',
    'corrupt',
    (piece) => patched(piece, 81, (view) => view.setInt32(12, 5)),
  ],
  ['is pushed under an older epoch than its own', 'corrupt', (piece) => ({ ...piece, leaderEpoch: leaderEpoch(5) })],
  ['lists none of its epochs', 'corrupt', (piece) => ({ ...piece, epochs: [] })],
  ['lists only its first epoch', 'corrupt', (piece) => ({ ...piece, epochs: piece.epochs.slice(0, 1) })],
  ['lists its epochs in the wrong order', 'epoch', (piece) => ({ ...piece, epochs: [...piece.epochs].reverse() })],
  [
    'lists an epoch that begins before it',
    'epoch',
    (piece) => ({ ...piece, epochs: [{ epoch: leaderEpoch(3), start: offset(4) }, ...piece.epochs] }),
  ],
  [
    'lists an epoch that begins behind it',
    'epoch',
    (piece) => ({ ...piece, epochs: [...piece.epochs, { epoch: leaderEpoch(7), start: offset(10) }] }),
  ],
  [
    'lists an epoch that the copy has left behind',
    'epoch',
    (piece) => ({ ...piece, epochs: [{ epoch: leaderEpoch(1), start: offset(5) }, ...piece.epochs.slice(1)] }),
  ],
];

for (const [name, outcome, change] of misfits) {
  test(`a piece that ${name} is refused (${outcome}), and nothing of it is taken`, async (t) => {
    const [source, leader] = await leaderLog();
    const [bench, copy] = await emptyCopy();
    const first = await pieceOf(source, leader, 0, 500);
    t.is(first && copy.appendReplica(first), undefined);
    t.is(copy.logEnd, offset(5));
    const piece = await pieceOf(source, leader, 5);
    if (piece === undefined) return t.fail('the leader has more');
    const before = copy.epochTail(64);
    t.is(copy.appendReplica(change(piece)), outcome as never);
    t.is(copy.logEnd, offset(5));
    t.deepEqual(copy.epochTail(64), before);
    t.is(copy.appendReplica(piece), undefined, 'the piece itself fits');
    await bench.settle(copy);
    t.deepEqual(await bytesOf(bench, copy), await bytesOf(source, leader));
  });
}

test('what lies before a piece is not compared where the leader’s log starts', async (t) => {
  const [source, leader] = await leaderLog();
  leader.advanceHighWatermark(offset(10));
  await source.run(leader.trim(offset(8)));
  const [bench, copy] = await emptyCopy();
  await bench.run(copy.reset(offset(8)));
  const found = await pieceOf(source, leader, 8);
  if (found === undefined) return t.fail('the leader has more');
  const piece = { ...found, previousEpoch: leaderEpoch(4) };
  t.is(copy.appendReplica({ ...piece, leaderLogStart: offset(7) }), 'epoch');
  t.is(copy.appendReplica(piece), undefined);
});

test('an epoch that wrote nothing gives way to what the leader lists there', async (t) => {
  const [source, leader] = await leaderLog();
  const [bench, copy] = await emptyCopy();
  const first = await pieceOf(source, leader, 0, 500);
  t.is(first && copy.appendReplica(first), undefined);
  copy.lead(epoch(3));
  copy.stopLeading();
  await copyAll(source, leader, bench, copy);
  t.deepEqual(copy.epochTail(64), leader.epochTail(64));
});

test('a leader takes no pieces', async (t) => {
  const [source, leader] = await leaderLog();
  const [, copy] = await emptyCopy();
  copy.lead(epoch(9));
  const piece = await pieceOf(source, leader, 0);
  t.throws(() => piece && copy.appendReplica(piece), { name: 'AssertionFailed' });
});

test('a full disk undoes a piece, and the next one is taken without any new epoch', async (t) => {
  const [source, leader] = await leaderLog();
  const [bench, copy] = await emptyCopy();
  const failed: bigint[] = [];
  copy.onWriteFailed((from) => failed.push(from));
  const [one, two] = [await pieceOf(source, leader, 0, 500), await pieceOf(source, leader, 5)];
  if (one === undefined || two === undefined) return t.fail('the leader has two pieces');
  t.is(copy.appendReplica(one), undefined);
  await bench.settle(copy);
  bench.disk.fail('append', 'ENOSPC', 1, '.log');
  t.is(copy.appendReplica(two), undefined);
  await t.throwsAsync(bench.run(copy.syncAll()), { name: 'FileError' });
  t.deepEqual(failed, [5n]);
  t.is(copy.logEnd, offset(5));
  t.deepEqual(copy.epochTail(64), [{ epoch: leaderEpoch(1), start: offset(0) }]);
  t.is(copy.appendReplica(two), undefined);
  await bench.run(copy.syncAll());
  bench.disk.crash();
  const reopened = await bench.reopen({ bootId: 'boot-2' });
  t.deepEqual(await bytesOf(bench, reopened), await bytesOf(source, leader));
  t.deepEqual(reopened.epochTail(64), leader.epochTail(64));
});

test('nothing is taken while a failed write is undone, and an epoch may begin meanwhile', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  log.append(testBatch());
  await bench.settle(log);
  bench.disk.fail('append', 'ENOSPC', 1, '.log');
  log.append(testBatch({ fill: 1 }));
  await bench.time.runUntil(() => log.logEnd === 1n);
  log.lead(epoch(2));
  t.true(
    hasReason(
      t.throws(() => log.append(testBatch())),
      'NOT_SERVING',
    ),
  );
  await bench.run(log.syncAll());
  t.deepEqual(log.epochTail(1), [{ epoch: leaderEpoch(2), start: offset(1) }]);
  t.like(log.append(testBatch({ fill: 2 })), { baseOffset: 1n });
  await bench.settle(log);
});

test('a failed directory takes no pieces', async (t) => {
  const [source, leader] = await leaderLog();
  const [bench, copy] = await emptyCopy();
  const piece = await pieceOf(source, leader, 0, 500);
  if (piece === undefined) return t.fail('the leader has something');
  bench.disk.fail('sync', 'EIO');
  t.is(copy.appendReplica(piece), undefined);
  await t.throwsAsync(bench.run(copy.syncAll()), { name: 'FileError' });
  const next = await pieceOf(source, leader, copy.logEnd);
  t.is(next && copy.appendReplica(next), 'gap');
  await t.throwsAsync(bench.run(copy.syncAll()), { name: 'FileError' }, 'and says so to all who ask later');
  await t.throwsAsync(bench.run(copy.truncate(offset(0))), { name: 'FileError' });
});

test('with an interval flush a copy is durable at once, and on the platter when it is asked for', async (t) => {
  const [source, leader] = await leaderLog();
  const bench = new Bench(2);
  bench.config = { ...bench.config, flush: 'interval', flushIntervalMs: 60_000 };
  let copy = await bench.log();
  await copyAll(source, leader, bench, copy);
  await bench.run(copy.syncAll());
  bench.disk.crash();
  copy = await bench.reopen({ bootId: 'boot-2' });
  t.is(copy.logEnd, offset(10));
});

/** Offsets 0–7 of epoch 1, 8–9 of epoch 4. */
async function steadyLeader(): Promise<[Bench, PartitionLog]> {
  const bench = new Bench(1);
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 8; i += 1) log.append(testBatch({ fill: i, payloadBytes: 39 }));
  log.lead(epoch(4));
  for (let i = 8; i < 10; i += 1) log.append(testBatch({ fill: i }));
  await bench.settle(log);
  return [bench, log];
}

for (const [name, wrote] of [
  ['that was cut off', true],
  ['that wrote nothing', false],
] as const) {
  test(`an epoch of a copy ${name} never comes back, wherever the process ends`, async (t) => {
    const [source, leader] = await steadyLeader();
    const ends = new Set<bigint>();
    for (let elapsed = 0; elapsed < 6; elapsed += 0.05) {
      // Here epoch 3 began at offset 5; the leader of epoch 4 never saw that, and has epoch 1 there.
      const [bench, first] = await emptyCopy(Math.round(elapsed * 100));
      const piece = await pieceOf(source, leader, 0, 500);
      t.is(piece && first.appendReplica(piece), undefined);
      first.lead(epoch(3));
      if (wrote) first.append(testBatch({ fill: 99 }));
      await bench.run(first.syncAll());
      await bench.time.runFor(2_000);
      first.stopLeading();
      const next = await pieceOf(source, leader, 5, 300);
      const taking = first.truncate(offset(5)).then(() => {
        t.is(next && first.appendReplica(next), undefined);
      });
      taking.catch(() => {});
      await bench.time.runFor(elapsed);
      const acknowledged = first.durableEnd;
      bench.disk.crash();
      const copy = await bench.reopen({ bootId: 'boot-2' });
      t.not(copy.found.state, 'corrupt', `after ${elapsed} ms`);
      t.true(copy.logEnd >= acknowledged, `after ${elapsed} ms`);
      ends.add(copy.logEnd);
      if (copy.lastEpoch === 3) await bench.run(copy.truncate(offset(5)));
      t.deepEqual(copy.epochTail(64).slice(0, 1), [{ epoch: leaderEpoch(1), start: offset(0) }]);
      await copyAll(source, leader, bench, copy);
      bench.disk.crash();
      const again = await bench.reopen({ bootId: 'boot-3' });
      t.deepEqual(again.epochTail(64), leader.epochTail(64), `after ${elapsed} ms`);
      t.deepEqual(await bytesOf(bench, again), await bytesOf(source, leader));
    }
    t.true(ends.has(5n) && ends.has(8n), 'the process ended before and behind');
  });
}

test('a follower’s high watermark follows its leader’s as far as it is durable, and never goes back', async (t) => {
  const [source, leader] = await leaderLog();
  const [bench, copy] = await emptyCopy();
  t.false(copy.followHighWatermark(offset(10)));
  await copyAll(source, leader, bench, copy);
  t.true(copy.followHighWatermark(offset(7)));
  t.is(copy.highWatermark, offset(7));
  t.false(copy.followHighWatermark(offset(3)));
  t.true(copy.followHighWatermark(offset(99)));
  t.is(copy.highWatermark, offset(10));
});
