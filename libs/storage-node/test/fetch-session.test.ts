import { BatchHeader } from '@moldau/records';
import { fromWireError } from '@moldau/rpc';
import test from 'ava';
import { fetchSession, nodeWithTopic, watchedNode } from './support.ts';

type Session = ReturnType<typeof fetchSession>;
type World = Awaited<ReturnType<typeof nodeWithTopic>>;

const credit = (session: Session, bytes: number): void =>
  session.send({ frame: { case: 'credit', value: { bytes: BigInt(bytes) } } });
const add = (session: Session, topicId: string, from: bigint, partition = 0): void =>
  session.send({
    frame: {
      case: 'add',
      value: { handle: partition + 1, topicId, partition, from: { at: { case: 'offset', value: from } } },
    },
  });
const entriesOf = (session: Session) => session.of('batches').flatMap(({ value }) => value.entries);
/** Base offsets of every batch that came, by partition. */
const offsetsOf = (session: Session, handle = 1): bigint[] =>
  entriesOf(session)
    .filter((entry) => entry.handle === handle)
    .flatMap(({ batches }) => {
      const found: bigint[] = [];
      for (let at = 0; at < batches.length; at += new BatchHeader(batches, at).sizeBytes) {
        found.push(new BatchHeader(batches, at).baseOffset);
      }
      return found;
    });

async function append({ cluster }: World, values: readonly string[], partition = 0): Promise<void> {
  const producer = cluster.client(`writer-${values[0]}`).producer({ topic: 't', batchSize: 100, linger: 0 });
  const writing = async (): Promise<void> => {
    for (const value of values) await producer.send({ value, partition });
  };
  await cluster.time.run(writing());
}

test('what is there comes, then the end is said, then what comes later follows', async (t) => {
  const world = await nodeWithTopic();
  await append(world, ['a', 'b']);
  const session = fetchSession(world.channel);
  credit(session, 1 << 20);
  add(session, world.topicId, 0n);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 1);
  t.deepEqual(offsetsOf(session), [0n, 1n]);
  const order = session.frames.map((frame) => frame.case).filter((kind) => kind === 'batches' || kind === 'caughtUp');
  t.is(order.at(-1), 'caughtUp');
  await append(world, ['c']);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 2);
  t.deepEqual(offsetsOf(session), [0n, 1n, 2n]);
});

test('without credit nothing comes; any credit lets one whole batch come', async (t) => {
  const world = await nodeWithTopic();
  await append(world, ['x'.repeat(5_000), 'y'.repeat(5_000)]);
  const session = fetchSession(world.channel);
  add(session, world.topicId, 0n);
  await world.cluster.time.runFor(1_000);
  t.deepEqual(offsetsOf(session), []);
  credit(session, 1);
  await world.cluster.time.runFor(1_000);
  t.deepEqual(offsetsOf(session), [0n]);
  credit(session, 6_000);
  await world.cluster.time.runFor(1_000);
  t.deepEqual(offsetsOf(session), [0n, 1n]);
});

test('a partition with much to send does not starve another', async (t) => {
  const world = await nodeWithTopic(2);
  await append(
    world,
    Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(20_000)),
  );
  await append(world, ['small'], 1);
  const session = fetchSession(world.channel);
  add(session, world.topicId, 0n, 0);
  add(session, world.topicId, 0n, 1);
  credit(session, 600_000);
  await world.cluster.time.runFor(1_000);
  t.deepEqual(offsetsOf(session, 2), [0n]);
  t.true(offsetsOf(session, 1).length < 40);
});

test('a pause holds, a resume goes on, and a seek marks what belongs to it', async (t) => {
  const world = await nodeWithTopic();
  await append(world, ['a', 'b', 'c']);
  const session = fetchSession(world.channel);
  session.send({ frame: { case: 'credit', value: { bytes: 1_000_000n } } });
  add(session, world.topicId, 0n);
  session.send({ frame: { case: 'pause', value: { handle: 1 } } });
  await world.cluster.time.runFor(100);
  t.deepEqual(offsetsOf(session), []);
  session.send({ frame: { case: 'resume', value: { handle: 1 } } });
  await world.cluster.time.runUntil(() => offsetsOf(session).length === 3);
  const to = { at: { case: 'offset' as const, value: 1n } };
  session.send({ frame: { case: 'seek', value: { handle: 1, to, generation: 1 } } });
  await world.cluster.time.runUntil(() => offsetsOf(session).length === 5);
  const later = entriesOf(session).filter(({ generation }) => generation === 1);
  t.true(later.length > 0);
  t.deepEqual(offsetsOf(session).slice(3), [1n, 2n]);
});

test('an offset that is not there is refused with the range that is', async (t) => {
  const world = await nodeWithTopic();
  await append(world, ['a']);
  const session = fetchSession(world.channel);
  credit(session, 1_000);
  add(session, world.topicId, 99n);
  await world.cluster.time.runUntil(() => session.of('error').length === 1);
  const error = session.of('error')[0]?.value.error;
  t.is(error && fromWireError(error).reason, 'OFFSET_OUT_OF_RANGE');
  t.deepEqual({ ...error?.fields }, { offset: '99', start: '0', end: '1' });
});

test('a trim that overtakes a reader shows as a gap', async (t) => {
  const world = await nodeWithTopic();
  await append(world, ['a', 'b', 'c']);
  const session = fetchSession(world.channel);
  add(session, world.topicId, 0n);
  await world.cluster.time.runFor(10);
  await world.cluster.time.run(world.cluster.client('admin').admin.trimPartition('t', 0, 2n));
  credit(session, 1_000);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 1);
  const gap = session.of('gap')[0]?.value;
  t.deepEqual([gap?.from, gap?.to], [0n, 2n]);
  t.deepEqual(offsetsOf(session), [2n]);
});

test('cold partitions beyond those that may load at once wait their turn, and all come', async (t) => {
  const world = await nodeWithTopic(12);
  for (let partition = 0; partition < 12; partition += 1) {
    // More in all than the tail cache holds: the first ones lie on the disk alone.
    await append(
      world,
      Array.from({ length: 8 }, (_, i) => `${partition}-${i}`.padEnd(10_000)),
      partition,
    );
  }
  const session = fetchSession(world.channel);
  for (let partition = 0; partition < 12; partition += 1) add(session, world.topicId, 0n, partition);
  credit(session, 2_000_000);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 12);
  for (let handle = 1; handle <= 12; handle += 1)
    t.deepEqual(offsetsOf(session, handle), [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
});

test('cold partitions that are written to, with little credit: each record comes once, in order', async (t) => {
  const partitions = 7;
  const world = await nodeWithTopic(partitions, {}, { diskLatencyMs: { min: 1, max: 10 } });
  const producer = world.cluster.client('writer').producer({ topic: 't', batchSize: 100, linger: 0 });
  const write = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 1)
      await Promise.all(
        Array.from({ length: partitions }, (_, partition) =>
          producer.send({ value: `${i}`.padEnd(20_000), partition }),
        ),
      );
  };
  await world.cluster.time.run(write(0, 30));
  const session = fetchSession(world.channel);
  for (let partition = 0; partition < partitions; partition += 1) add(session, world.topicId, 0n, partition);
  const writing = write(30, 60);
  for (let given = 0; given < 400; given += 1) {
    credit(session, 25_000);
    await world.cluster.time.runFor(2);
  }
  await world.cluster.time.run(writing);
  const all = Array.from({ length: 60 }, (_, i) => BigInt(i));
  for (let handle = 1; handle <= partitions; handle += 1) t.deepEqual(offsetsOf(session, handle), all);
});

test('a cold partition that is paused, or dropped while it reads, keeps no place at the disk from the others', async (t) => {
  const partitions = 12;
  const world = await nodeWithTopic(partitions);
  for (let partition = 0; partition < partitions; partition += 1)
    await append(
      world,
      Array.from({ length: 8 }, (_, i) => `${partition}-${i}`.padEnd(20_000)),
      partition,
    );
  const session = fetchSession(world.channel);
  const say = (kind: 'pause' | 'remove' | 'resume', handle: number): void =>
    session.send({ frame: { case: kind, value: { handle } } });
  for (let partition = 0; partition < partitions; partition += 1) add(session, world.topicId, 0n, partition);
  // As many as may have read, and wait for credit.
  credit(session, 1);
  await world.cluster.time.runFor(50);
  const paused = [1, 2, 3, 4];
  for (const handle of paused) say('pause', handle);
  // Others read, and are dropped before the disk has answered.
  await world.cluster.time.runFor(1);
  for (const handle of [5, 6, 7, 8]) say('remove', handle);
  credit(session, 10_000_000);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 4);
  for (const handle of [9, 10, 11, 12]) t.is(offsetsOf(session, handle).length, 8);
  for (const handle of paused) say('resume', handle);
  await world.cluster.time.runUntil(() => session.of('caughtUp').length === 8);
  for (const handle of paused) t.is(offsetsOf(session, handle).length, 8);
});

test('bytes from the disk that wait for credit are said to be kept, and dropped when the partition is', async (t) => {
  const world = await nodeWithTopic(5);
  for (let partition = 0; partition < 5; partition += 1) {
    await append(
      world,
      Array.from({ length: 10 }, (_, i) => `${partition}-${i}`.padEnd(20_000)),
      partition,
    );
  }
  const { channel, kept } = watchedNode(world.cluster);
  const session = fetchSession(channel);
  add(session, world.topicId, 0n);
  credit(session, 1);
  await world.cluster.time.runUntil(() => offsetsOf(session).length === 1);
  await world.cluster.time.runFor(100);
  const keptBytes = kept.at(-1) ?? 0;
  t.true(keptBytes > 8 * 20_000 && keptBytes < 10 * 21_000, `${keptBytes}`);
  session.send({ frame: { case: 'remove', value: { handle: 1 } } });
  await world.cluster.time.runFor(100);
  t.is(kept.at(-1), 0);
});
