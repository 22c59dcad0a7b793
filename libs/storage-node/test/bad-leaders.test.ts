import { stampBatch } from '@moldau/records';
import { batchOf } from '@moldau/testing';
import test from 'ava';
import { FakeLeader } from './fake-leader.ts';
import { CollectingMeter, threeCopies } from './three-copies.ts';

/** A follower that believes in its leader, in whose place somebody else speaks; and nobody who could elect another one. */
async function deceived() {
  const meter = new CollectingMeter();
  const world = await threeCopies({}, { meter: () => meter });
  for (let i = 0; i < 10; i += 1) await world.send(`record ${i}`);
  await world.converged();
  const first = world.leader();
  const epoch = world.partitionOn(first).leading?.epoch ?? 0;
  const [follower, other] = world.followers();
  if (follower === undefined || other === undefined) throw new Error('nobody follows');
  world.cluster.coordinator().kill();
  for (const node of [first, other]) node.kill('kill');
  const fake = new FakeLeader(world, first.address, epoch);
  const { log } = world.partitionOn(follower);
  const nacks = (reason: string): number => meter.of(`moldau_storage_node_nacks_total ${reason}`);
  /** Those who were there before come back: what was acknowledged is still there. */
  return { ...world, fake, log, epoch, nacks, partition: () => world.partitionOn(follower) };
}

type Deceived = Awaited<ReturnType<typeof deceived>>;
type Piece = ReturnType<FakeLeader['piece']>;

const pieces: Record<string, [(piece: Piece, world: Deceived) => Partial<Piece>, string]> = {
  'a gap': [({ from }) => ({ from: from + 1n }), 'GAP'],
  'data from below the end': [({ from }) => ({ from: from - 1n }), 'GAP'],
  'another epoch before': [({ previousEpoch }) => ({ previousEpoch: previousEpoch + 1 }), 'EPOCH'],
  'a newer leader epoch': [({ leaderEpoch }) => ({ leaderEpoch: leaderEpoch + 1 }), 'EPOCH'],
  'no batch': [() => ({ batches: new Uint8Array() }), 'CORRUPT'],
  'half a batch': [({ batches }) => ({ batches: batches.subarray(0, batches.length - 3) }), 'CORRUPT'],
  'noise behind a batch': [({ batches }) => ({ batches: Buffer.concat([batches, Buffer.alloc(80, 7)]) }), 'CORRUPT'],
  'a flipped bit': [
    ({ batches }) => {
      const bytes = Buffer.from(batches);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 2) ^ 4, bytes.length - 2);
      return { batches: bytes };
    },
    'CORRUPT',
  ],
  'a base offset that is not where it begins': [
    ({ from }, { epoch }) => {
      const batches = batchOf(['elsewhere']);
      stampBatch(batches, 0, from + 3n, epoch);
      return { batches };
    },
    'CORRUPT',
  ],
  'batches of an epoch that is not listed': [
    ({ from }, { epoch }) => {
      const batches = batchOf(['of nobody']);
      stampBatch(batches, 0, from, epoch + 1);
      return { batches };
    },
    'CORRUPT',
  ],
};

test('a piece that does not fit is refused with its reason and counted, and the next one that fits is taken', async (t) => {
  const world = await deceived();
  const { fake, log, nacks, time } = world;
  const end = log.durableEnd;
  let session = 0;
  for (const [what, [change, reason]] of Object.entries(pieces)) {
    session = await fake.session(session);
    const before = nacks(reason.toLowerCase());
    const piece = fake.piece(session, end);
    await fake.say({ data: [{ ...piece, ...change(piece, world) }] });
    t.is(fake.nacked(session), reason, what);
    t.is(nacks(reason.toLowerCase()), before + 1, what);
    t.is(log.logEnd, end, what);
  }
  t.is(fake.streams, 1, 'none of it ends the stream');
  session = await fake.session(session);
  await fake.say({ data: [fake.piece(session, end)] });
  await time.runUntil(() => fake.acked(session) === end + 1n);
  t.is(fake.creditBytes, 4n * 1024n * 1024n + BigInt(given(world)), 'all credit comes back');
});

/** Bytes of all pieces of the test above. */
function given(world: Deceived): number {
  const piece = world.fake.piece(1, 10n);
  const changed = Object.values(pieces).map(([change]) => change(piece, world).batches ?? piece.batches);
  return [...changed, piece.batches].reduce((sum, { length }) => sum + length, 0);
}

test('what is said to no session, or too early, or twice, changes nothing', async (t) => {
  const { fake, log, epoch, time } = await deceived();
  const end = log.durableEnd;
  await time.runUntil(() => fake.hello !== undefined, 20_000);
  const session = fake.hello?.session ?? 0;
  await fake.say({ data: [fake.piece(session, end), fake.piece(session + 50, end)] });
  await fake.say({ welcomes: [{ session: session + 50, leaderEpoch: epoch }] });
  await fake.say({ welcomes: [{ session, leaderEpoch: epoch - 1 }] });
  await fake.say({ rejects: [{ session: session + 50, reason: 1 }], beats: [{ session: session + 50 }] });
  t.false(fake.isReady(session));
  t.is(log.logEnd, end);
  await fake.session();
  await fake.say({ welcomes: [{ session, leaderEpoch: epoch, truncateTo: 0n, resetTo: 0n }] });
  t.is(log.logEnd, end, 'a second welcome is none');
  await fake.say({ data: [fake.piece(session, end)] });
  await time.runUntil(() => fake.acked(session) === end + 1n);
  t.is(fake.streams, 1);
});

const nonsense: Record<string, (fake: FakeLeader, session: number, end: bigint) => Parameters<FakeLeader['say']>[0]> = {
  'a negative offset': (fake, session) => ({ data: [{ ...fake.piece(session, 0n), from: -1n }] }),
  'a negative high watermark': (_, session) => ({ beats: [{ session, highWatermark: -1n }] }),
  'more entries than a frame holds': () => ({ rejects: Array.from({ length: 10_001 }, () => ({ session: 7 })) }),
};

test('a leader that talks nonsense loses its stream, and may try again', async (t) => {
  const { fake, log } = await deceived();
  const end = log.durableEnd;
  for (const [what, frame] of Object.entries(nonsense)) {
    const session = await fake.session();
    const { streams } = fake;
    await fake.say(frame(fake, session, end));
    await fake.session(session);
    t.is(fake.streams, streams + 1, what);
    t.is(log.logEnd, end, what);
  }
});

test('a leader that sends without credit loses its stream', async (t) => {
  const { fake, log, cluster, time } = await deceived();
  const session = await fake.session();
  const { streams } = fake;
  // Nothing becomes durable, so nothing is given back.
  for (const { disk } of cluster.nodes) disk.holdSyncs();
  const value = cluster.random.bytes(600_000);
  for (let i = 0; i < 12; i += 1) {
    await fake.say({ data: [fake.piece(session, log.logEnd, Buffer.from(value).toString('base64'))] });
  }
  for (const { disk } of cluster.nodes) disk.releaseSyncs();
  await time.runUntil(() => fake.streams > streams);
  t.true(log.logEnd < 22n);
});

test('a leader that lacks what is committed does not get it cut', async (t) => {
  const { fake, log, epoch, partition, time } = await deceived();
  const end = log.durableEnd;
  await time.runUntil(() => fake.hello !== undefined, 20_000);
  const session = fake.hello?.session ?? 0;
  await fake.say({ welcomes: [{ session, leaderEpoch: epoch, truncateTo: 3n }] });
  t.is(fake.nacked(session), 'LEFT');
  t.is(log.logEnd, end);
  t.is(log.highWatermark, end);
  t.is(partition().following?.leader, undefined);
});
