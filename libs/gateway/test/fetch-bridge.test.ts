import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader } from '@moldau/records';
import { fromWireError } from '@moldau/rpc';
import { batchOf, type CollectedFetches, fetchSession, gatewayWindowBytes } from '@moldau/testing';
import test from 'ava';
import { behindGateway, createTopic, type World } from './support.ts';

const credit = (session: CollectedFetches, bytes: number): void =>
  session.send({ frame: { case: 'credit', value: { bytes: BigInt(bytes) } } });
const add = (session: CollectedFetches, topicId: string, partition: number, from = 0n, handle = partition + 1): void =>
  session.send({
    frame: { case: 'add', value: { handle, topicId, partition, from: { at: { case: 'offset', value: from } } } },
  });
const entriesOf = (session: CollectedFetches) => session.of('batches').flatMap(({ value }) => value.entries);
const bytesOf = (session: CollectedFetches): number =>
  entriesOf(session).reduce((sum, { batches }) => sum + batches.length, 0);
/** Base offsets of every batch that came, by handle. */
const offsetsOf = (session: CollectedFetches, handle: number): bigint[] =>
  entriesOf(session)
    .filter((entry) => entry.handle === handle)
    .flatMap(({ batches }) => {
      const found: bigint[] = [];
      for (let at = 0; at < batches.length; at += new BatchHeader(batches, at).sizeBytes) {
        found.push(new BatchHeader(batches, at).baseOffset);
      }
      return found;
    });

async function append({ time, channel }: World, partition: number, batch: Uint8Array, topic = 't'): Promise<void> {
  await time.run(channel('writer').unary(LogService.method.append, { topic, partition, batch }));
}

test('partitions of all nodes come through one session, then the end is said, then what comes later', async (t) => {
  const world = await behindGateway();
  const { id } = await createTopic(world);
  for (let partition = 0; partition < 6; partition += 1) await append(world, partition, batchOf([`${partition}`]));
  const session = fetchSession(world.channel('app'));
  credit(session, 1 << 20);
  for (let partition = 0; partition < 6; partition += 1) add(session, id, partition);
  await world.time.runUntil(() => session.of('caughtUp').length === 6);
  for (let handle = 1; handle <= 6; handle += 1) t.deepEqual(offsetsOf(session, handle), [0n]);
  await append(world, 3, batchOf(['more']));
  await world.time.runUntil(() => session.of('caughtUp').length === 7);
  t.deepEqual(offsetsOf(session, 4), [0n, 1n]);
  await world.time.runFor(4_000);
  const positions = session.of('heartbeat').flatMap(({ value }) => value.positions);
  t.true(
    positions.some(
      ({ handle, nextOffset, highWatermark }) => handle === 4 && nextOffset === 2n && highWatermark === 2n,
    ),
  );
  session.end();
  await world.time.runUntil(() => session.isOver);
  await world.time.runFor(10);
  t.is(session.error, undefined);
  t.is(world.cluster.gateway().service.heldFetchBytes, 0);
});

test('credit is the client’s: nothing without it, one whole batch with any, and never more than that', async (t) => {
  const world = await behindGateway();
  const { time } = world;
  const { id, ledBy } = await createTopic(world);
  const partitions = [1, 2, 3].map((node) => ledBy(node)[0] ?? 0);
  const batch = batchOf(['x'.repeat(5_000)]);
  for (const partition of partitions) for (let i = 0; i < 5; i += 1) await append(world, partition, batch);
  const session = fetchSession(world.channel('app'));
  for (const partition of partitions) add(session, id, partition);
  await time.runFor(1_000);
  t.is(bytesOf(session), 0);
  for (let i = 1; i <= 15; i += 1) {
    credit(session, batch.length);
    await time.runFor(500);
    t.is(bytesOf(session), i * batch.length);
  }
  for (const partition of partitions)
    t.deepEqual(offsetsOf(session, partition + 1), [0n, 1n, 2n, 3n, 4n], 'no node starves');
});

test('one byte of credit at a time brings every batch of every node', async (t) => {
  const world = await behindGateway();
  const { time } = world;
  const { id, ledBy } = await createTopic(world);
  const partitions = [1, 2, 3].map((node) => ledBy(node)[0] ?? 0);
  const batch = batchOf(['x'.repeat(5_000)]);
  for (const partition of partitions.slice(1)) for (let i = 0; i < 3; i += 1) await append(world, partition, batch);
  const session = fetchSession(world.channel('app'));
  for (const partition of partitions) add(session, id, partition);
  for (let i = 1; i <= 6; i += 1) {
    const before = entriesOf(session).length;
    credit(session, i === 1 ? 1 : batch.length);
    await time.runUntil(() => entriesOf(session).length > before, 10_000);
    await time.runFor(100);
    t.is(bytesOf(session), i * batch.length);
  }
  for (const partition of partitions.slice(1)) t.deepEqual(offsetsOf(session, partition + 1), [0n, 1n, 2n]);
});

test('a client that does not read holds a window of a large topic in the gateway, and no more', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id } = await createTopic(world);
  const batchBytes = 60_000;
  const batch = batchOf(['x'.repeat(batchBytes)]);
  for (let i = 0; i < 20; i += 1) {
    for (let partition = 0; partition < 6; partition += 1) await append(world, partition, batch);
  }
  const total = 120 * batch.length;
  const { service } = cluster.gateway();
  const session = fetchSession(world.channel('slow'));
  weather.hold('gateway-1', 'slow');
  credit(session, 1 << 30);
  for (let partition = 0; partition < 6; partition += 1) add(session, id, partition);
  let most = 0;
  for (let i = 0; i < 100; i += 1) {
    await time.runFor(20);
    most = Math.max(most, service.heldFetchBytes);
  }
  // What the transport takes of a session (its window and its buffer) is not counted here, and is bounded by itself.
  const bound = gatewayWindowBytes + 3 * (256 * 1024 + batch.length);
  t.log(`${most} bytes held of ${total}, at most ${bound}`);
  t.true(most > 0 && most <= bound);
  weather.release(cluster.network, 'gateway-1', 'slow');
  await time.runUntil(() => bytesOf(session) === total);
  for (let handle = 1; handle <= 6; handle += 1) {
    t.deepEqual(
      offsetsOf(session, handle),
      Array.from({ length: 20 }, (_, i) => BigInt(i)),
    );
  }
  session.cancel();
  await time.runFor(1_000);
  t.is(service.heldFetchBytes, 0);
});

test('a node that says nothing keeps no other from sending', async (t) => {
  const world = await behindGateway();
  const { time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const [stuck = 0] = ledBy(1);
  const others = [...ledBy(2), ...ledBy(3)];
  const batch = batchOf(['x'.repeat(60_000)]);
  for (let i = 0; i < 10; i += 1) for (const partition of [stuck, ...others]) await append(world, partition, batch);
  const session = fetchSession(world.channel('app'));
  for (const partition of [stuck, ...others]) add(session, id, partition);
  await time.runFor(10);
  weather.hold('node-1', 'gateway-1');
  const startedAt = time.monotonicMs();
  credit(session, 256 * 1024);
  const isDone = () => others.every((partition) => offsetsOf(session, partition + 1).length === 10);
  let acknowledged = 0;
  await time.runUntil(() => {
    const fresh = bytesOf(session) - acknowledged;
    if (fresh > 0) credit(session, fresh);
    acknowledged += Math.max(0, fresh);
    return isDone();
  }, 5_000);
  t.true(time.monotonicMs() - startedAt < 1_000);
  t.deepEqual(offsetsOf(session, stuck + 1), []);
});

test('seeks, pauses and removals reach the node that leads', async (t) => {
  const world = await behindGateway();
  const { time } = world;
  const { id, ledBy } = await createTopic(world);
  const [one = 0] = ledBy(1);
  const [two = 0] = ledBy(2);
  for (const partition of [one, two])
    for (const value of ['a', 'b', 'c']) await append(world, partition, batchOf([value]));
  const session = fetchSession(world.channel('app'));
  add(session, id, one, 0n, 1);
  add(session, id, two, 3n, 2);
  session.send({ frame: { case: 'pause', value: { handle: 1 } } });
  credit(session, 1 << 20);
  await time.runFor(500);
  t.deepEqual(offsetsOf(session, 1), []);
  session.send({ frame: { case: 'resume', value: { handle: 1 } } });
  const to = { at: { case: 'offset' as const, value: 1n } };
  session.send({ frame: { case: 'seek', value: { handle: 2, to, generation: 7 } } });
  await time.runUntil(() => offsetsOf(session, 1).length === 3 && offsetsOf(session, 2).length === 2);
  t.true(
    entriesOf(session)
      .filter(({ handle }) => handle === 2)
      .every(({ generation }) => generation === 7),
  );
  session.send({ frame: { case: 'remove', value: { handle: 1 } } });
  await append(world, one, batchOf(['d']));
  await time.runFor(500);
  t.deepEqual(offsetsOf(session, 1), [0n, 1n, 2n]);
  add(session, id, one, 3n, 1);
  await time.runUntil(() => offsetsOf(session, 1).length === 4);
});

test('what can not be read is answered as a node would', async (t) => {
  const world = await behindGateway();
  const { time } = world;
  const { id, ledBy } = await createTopic(world);
  const gone = await createTopic(world, 'gone', 1);
  await time.run(world.client('admin').admin.deleteTopic('gone'));
  const [partition = 0] = ledBy(3);
  const session = fetchSession(world.channel('app'));
  credit(session, 1_000);
  add(session, gone.id, 0, 0n, 1);
  add(session, 'newtopic', 0, 0n, 2);
  add(session, id, partition, 0n, 3);
  add(session, id, partition, 0n, 3);
  add(session, id, partition, 99n, 4);
  await time.runUntil(() => session.of('error').length === 3);
  t.deepEqual(
    session.of('error').map(({ value }) => [value.handle, value.error && fromWireError(value.error).reason]),
    [
      [1, 'UNKNOWN_TOPIC'],
      [3, 'INVALID_REQUEST'],
      [4, 'OFFSET_OUT_OF_RANGE'],
    ],
  );
  t.deepEqual(
    session.of('moved').map(({ value }) => [value.handle, value.leader]),
    [[2, undefined]],
  );
});

test('a node that dies is told of handle by handle, behind what came from it; the others go on', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const lost = ledBy(2);
  const [kept = 0] = ledBy(3);
  const [first = 0] = lost;
  await append(world, first, batchOf(['a']));
  const session = fetchSession(world.channel('app'));
  weather.hold('gateway-1', 'app');
  credit(session, 1 << 20);
  for (const partition of [...lost, kept]) add(session, id, partition);
  await time.runFor(100);
  cluster.node(2).kill('kill');
  await time.runFor(100);
  weather.release(cluster.network, 'gateway-1', 'app');
  await time.runUntil(() => session.of('moved').length === 2);
  t.deepEqual(offsetsOf(session, first + 1), [0n]);
  t.deepEqual(
    session
      .of('moved')
      .map(({ value }) => [value.handle, value.leader])
      .sort(),
    lost.map((partition) => [partition + 1, undefined]),
  );
  await append(world, kept, batchOf(['b']));
  await time.runUntil(() => offsetsOf(session, kept + 1).length === 1);
  await time.run(cluster.node(2).start());
  await time.runFor(1_000);
  add(session, id, first, 1n, 99);
  await append(world, first, batchOf(['c']));
  await time.runUntil(() => offsetsOf(session, 99).length === 1);
  t.false(session.isOver);
});

test('the client and the node both hear that the gateway lives; a silent node is lost, a silent client is cut off', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(1);
  const session = fetchSession(world.channel('app'));
  credit(session, 1_000);
  add(session, id, partition, 0n, 1);
  const beat = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1) {
      await time.runFor(4_000);
      session.send({ frame: { case: 'heartbeat', value: {} } });
    }
  };
  await beat(8);
  t.true(session.of('heartbeat').length >= 8);
  t.is(session.of('moved').length, 0);
  weather.hold('node-1', 'gateway-1');
  await beat(5);
  t.is(session.of('moved').length, 1);
  t.false(session.isOver);
  await time.runFor(16_000);
  t.true(session.isOver);
  weather.clear(cluster.network);
  await time.runFor(20_000);
  t.is(cluster.gateway().service.heldFetchBytes, 0);
});

test('a gateway and a node that leave say so', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(1);
  const session = fetchSession(world.channel('app'));
  credit(session, 1_000);
  add(session, id, partition, 0n, 1);
  await time.runUntil(() => session.of('caughtUp').length === 1);
  cluster.node(1).service.drain(1_000);
  await time.runUntil(() => session.of('moved').length === 1);
  cluster.gateway().service.drain(1_000);
  await time.runUntil(() => session.of('drain').length === 1);
  t.is(session.of('drain')[0]?.value.graceMs, 1_000);
});
