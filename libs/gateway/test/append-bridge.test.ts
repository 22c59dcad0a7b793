import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { fromWireError } from '@moldau/rpc';
import { appendSession, batchOf, type CollectedAppends, gatewayWindowBytes } from '@moldau/testing';
import test from 'ava';
import { behindGateway, createTopic, readAll, secondGateway } from './support.ts';

const acksOf = (session: CollectedAppends) => session.of('acks').flatMap(({ value }) => value.acks);
/** Each ack as its base offset or its reason, in the order of arrival. */
const told = (session: CollectedAppends): string[] =>
  acksOf(session).map(({ sequence, baseOffset, error }) =>
    error === undefined ? `${sequence} at ${baseOffset}` : `${sequence} ${fromWireError(error).reason}`,
  );
const movedOf = (session: CollectedAppends) =>
  session.of('moved').map(({ value }) => ({
    handle: value.handle,
    leader: value.leader,
    reason: value.error && fromWireError(value.error).reason,
  }));
const open = (session: CollectedAppends, topicId: string, partition: number, handle = partition + 1): void =>
  session.send({ frame: { case: 'open', value: { handle, topicId, partition } } });
const send = (
  session: CollectedAppends,
  ...entries: { handle: number; sequence: number; batch: Uint8Array; expectedOffset?: bigint; timeoutMs?: number }[]
): void =>
  session.send({
    frame: {
      case: 'batches',
      value: { entries: entries.map((entry) => ({ ...entry, sequence: BigInt(entry.sequence) })) },
    },
  });
const credit = (session: CollectedAppends): number =>
  session.of('window').reduce((sum, { value }) => sum + Number(value.creditBytes), 0);

test('one frame reaches all nodes, and each entry is answered under the number that its client gave it', async (t) => {
  const world = await behindGateway();
  const { id } = await createTopic(world);
  const session = appendSession(world.channel('app'));
  for (let partition = 0; partition < 6; partition += 1) open(session, id, partition);
  send(
    session,
    ...[5, 0, 3, 1, 4, 2, 0].map((partition, i) => ({
      handle: partition + 1,
      sequence: i * 10,
      batch: batchOf([`${i}`]),
    })),
  );
  await world.time.runUntil(() => acksOf(session).length === 7);
  t.deepEqual(
    told(session).sort(),
    ['0 at 0', '10 at 0', '20 at 0', '30 at 0', '40 at 0', '50 at 0', '60 at 1'].sort(),
  );
  t.true(told(session).indexOf('10 at 0') < told(session).indexOf('60 at 1'), 'in order on each handle');
  session.end();
  await world.time.runUntil(() => session.isOver);
  t.is(session.error, undefined);
  t.is(world.cluster.gateway().service.heldAppendBytes, 0);
});

test('a failed entry ends its handle and nothing else, as on a node', async (t) => {
  const world = await behindGateway();
  const { id, ledBy } = await createTopic(world);
  const [one = 0, two = 0] = ledBy(1);
  const session = appendSession(world.channel('app'));
  open(session, id, one, 1);
  open(session, id, two, 2);
  const bad = batchOf(['x']);
  bad[bad.length - 1] = 0xff;
  send(
    session,
    { handle: 1, sequence: 0, batch: batchOf(['a']) },
    { handle: 1, sequence: 1, batch: bad },
    { handle: 1, sequence: 2, batch: batchOf(['c']) },
    { handle: 2, sequence: 3, batch: batchOf(['d']), expectedOffset: 7n },
    { handle: 9, sequence: 4, batch: batchOf(['e']) },
  );
  await world.time.runUntil(() => acksOf(session).length === 5);
  send(session, { handle: 1, sequence: 5, batch: batchOf(['f']) });
  await world.time.runUntil(() => acksOf(session).length === 6);
  t.deepEqual(
    told(session).filter((ack) => /^[0125] /.test(ack)),
    ['0 at 0', '1 CORRUPT_BATCH', '2 HANDLE_CLOSED', '5 HANDLE_CLOSED'],
  );
  const mismatch = acksOf(session).find(({ sequence }) => sequence === 3n)?.error;
  t.is(mismatch?.fields.actual, '0', 'the facts come along');
  t.true(told(session).includes('4 HANDLE_CLOSED'));
  session.send({ frame: { case: 'close', value: { handle: 1 } } });
  open(session, id, one, 1);
  send(session, { handle: 1, sequence: 6, batch: batchOf(['g']) });
  await world.time.runUntil(() => acksOf(session).length === 7);
  t.is(told(session).at(-1), '6 at 1', 'a number is free when it is closed');
  t.deepEqual((await readAll(world)).get(one), ['a', 'g']);
});

test('opening what is gone, or not heard of, or open already, is answered', async (t) => {
  const world = await behindGateway();
  const { id } = await createTopic(world);
  const gone = await createTopic(world, 'gone', 1);
  await world.time.run(world.client('admin').admin.deleteTopic('gone'));
  const session = appendSession(world.channel('app'));
  open(session, gone.id, 0, 1);
  open(session, 'newtopic', 0, 2);
  open(session, id, 0, 3);
  open(session, id, 1, 3);
  session.send({ frame: { case: 'open', value: { handle: 4, topicId: id, partition: 0, fencingToken: -1n } } });
  session.send({ frame: { case: 'open', value: { handle: 5, topicId: id, partition: 0, leaderEpoch: 0 } } });
  await world.time.runUntil(() => session.of('moved').length === 5);
  t.deepEqual(movedOf(session), [
    { handle: 1, leader: undefined, reason: 'UNKNOWN_TOPIC' },
    { handle: 2, leader: undefined, reason: 'NOT_LEADER' },
    { handle: 3, leader: undefined, reason: 'INVALID_REQUEST' },
    { handle: 4, leader: undefined, reason: 'INVALID_REQUEST' },
    { handle: 5, leader: undefined, reason: 'FENCED_EPOCH' },
  ]);
});

test('a fencing token is raised on the node, its answer comes back, and so does the refusal of who has a lower one', async (t) => {
  const world = await behindGateway();
  const { id } = await createTopic(world);
  const [owner, other] = [appendSession(world.channel('owner')), appendSession(world.channel('other'))];
  const openUnder = (session: CollectedAppends, handle: number, fencingToken: bigint): void =>
    session.send({ frame: { case: 'open', value: { handle, topicId: id, partition: 0, fencingToken } } });
  open(other, id, 0, 1);
  send(other, { handle: 1, sequence: 0, batch: batchOf(['a']) });
  await world.time.runUntil(() => acksOf(other).length === 1);
  openUnder(owner, 7, 5n);
  send(owner, { handle: 7, sequence: 0, batch: batchOf(['b']) });
  await world.time.runUntil(() => acksOf(owner).length === 1 && owner.of('opened').length === 1);
  t.like(owner.of('opened')[0]?.value, { handle: 7, fencingToken: 5n, raisedAt: 1n });
  t.deepEqual(told(owner), ['0 at 2']);
  send(other, { handle: 1, sequence: 1, batch: batchOf(['c']) }, { handle: 1, sequence: 2, batch: batchOf(['d']) });
  openUnder(other, 2, 4n);
  await world.time.runUntil(() => acksOf(other).length === 3 && other.of('moved').length === 1);
  t.deepEqual(told(other), ['0 at 0', '1 FENCED_TOKEN', '2 HANDLE_CLOSED']);
  t.deepEqual(movedOf(other), [{ handle: 2, leader: undefined, reason: 'FENCED_TOKEN' }]);
  const { fields } = acksOf(other)[1]?.error ?? {};
  t.deepEqual(fields, { current_token: '5' }, 'the facts come along');
  const append = (fencingToken?: bigint) =>
    world.time.run(
      world.channel('plain').unary(LogService.method.append, {
        topic: 't',
        partition: 0,
        records: [{ value: Buffer.from('e') }],
        ...(fencingToken !== undefined && { fencingToken }),
      }),
    );
  t.like(await t.throwsAsync(append()), { reason: 'FENCED_TOKEN' });
  t.is((await append(6n)).baseOffset, 4n);
  t.deepEqual((await readAll(world)).get(0), ['a', 'b', 'e']);
});

test('a node that dies is told of handle by handle; the session and the other nodes go on', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const [lost = 0, idle = 0] = ledBy(2);
  const [kept = 0] = ledBy(3);
  const session = appendSession(world.channel('app'));
  for (const partition of [lost, idle, kept]) open(session, id, partition);
  send(session, { handle: lost + 1, sequence: 0, batch: batchOf(['a']) });
  await time.runUntil(() => acksOf(session).length === 1);
  weather.hold('node-2', 'gateway-1');
  send(
    session,
    { handle: lost + 1, sequence: 1, batch: batchOf(['b']) },
    { handle: lost + 1, sequence: 2, batch: batchOf(['c']) },
  );
  await time.runFor(100);
  cluster.network.cut('node-2', 'gateway-1');
  cluster.node(2).kill('kill');
  weather.release(cluster.network, 'node-2', 'gateway-1');
  await time.runUntil(() => movedOf(session).length === 2);
  t.deepEqual(told(session), ['0 at 0', '1 UNREACHABLE', '2 UNREACHABLE']);
  t.deepEqual(
    movedOf(session)
      .map(({ handle, reason }) => [handle, reason])
      .sort(),
    [lost + 1, idle + 1].sort().map((handle) => [handle, 'NOT_SERVING']),
  );
  const frames = session.frames.map((frame) => frame.case);
  t.true(frames.lastIndexOf('acks') < frames.indexOf('moved'), 'what was in flight is answered first');
  send(
    session,
    { handle: kept + 1, sequence: 3, batch: batchOf(['d']) },
    { handle: lost + 1, sequence: 4, batch: batchOf(['e']) },
  );
  await time.runUntil(() => acksOf(session).length === 5);
  t.deepEqual(told(session).slice(3).sort(), ['3 at 0', '4 HANDLE_CLOSED']);
  t.false(session.isOver);
  t.is(cluster.gateway().service.heldAppendBytes, 0);
});

test('a node that takes nothing keeps its entries, and the others go on although the client sends all that it may', async (t) => {
  const world = await behindGateway();
  const { time, weather, cluster } = world;
  const { id, ledBy } = await createTopic(world);
  const [stuck = 0] = ledBy(1);
  const [free = 0] = ledBy(2);
  const session = appendSession(world.channel('app'));
  open(session, id, stuck, 1);
  open(session, id, free, 2);
  await time.runFor(10);
  weather.hold('node-1', 'gateway-1');
  const batch = batchOf(['x'.repeat(60_000)]);
  let sequence = 0;
  let used = 0;
  const fill = (): void => {
    while (credit(session) > used) {
      send(session, { handle: 1, sequence, batch });
      used += batch.length;
      sequence += 1;
    }
  };
  fill();
  await time.runFor(100);
  fill();
  t.true(cluster.gateway().service.heldAppendBytes <= gatewayWindowBytes + batch.length);
  const startedAt = time.monotonicMs();
  await time.runUntil(() => credit(session) > used, 5_000);
  send(session, { handle: 2, sequence: 1_000, batch: batchOf(['y']) });
  await time.runUntil(() => told(session).includes('1000 at 0'), 5_000);
  t.true(time.monotonicMs() - startedAt <= 3_000);
  t.true(cluster.gateway().service.heldAppendBytes < batch.length);
  weather.clear(cluster.network);
  await time.runUntil(() => acksOf(session).length === sequence + 1);
  const fates = told(session).filter((ack) => ack !== '1000 at 0');
  t.deepEqual(
    fates.map((ack) => Number(ack.split(' ')[0])),
    Array.from({ length: sequence }, (_, i) => i),
    'in order',
  );
  const refusedFrom = fates.findIndex((ack) => ack.endsWith('OVERLOADED'));
  t.true(refusedFrom > 0);
  t.true(fates.slice(0, refusedFrom).every((ack, i) => ack === `${i} at ${i}`));
  t.true(
    fates.slice(refusedFrom + 1).every((ack) => ack.endsWith('HANDLE_CLOSED')),
    'nothing is written over the hole',
  );
  t.is((await readAll(world)).get(stuck)?.length, refusedFrom);
  t.true(credit(session) - used > gatewayWindowBytes * (7 / 8), 'all credit comes back');
});

test('a client beyond its credit is refused', async (t) => {
  const world = await behindGateway();
  const { id } = await createTopic(world);
  const session = appendSession(world.channel('app'));
  open(session, id, 0);
  world.weather.hold('node-1', 'gateway-1');
  world.weather.hold('node-2', 'gateway-1');
  world.weather.hold('node-3', 'gateway-1');
  const batch = batchOf(['x'.repeat(300_000)]);
  for (let sequence = 0; sequence < 4; sequence += 1) send(session, { handle: 1, sequence, batch });
  await world.time.runFor(100);
  t.true(world.cluster.gateway().service.heldAppendBytes <= gatewayWindowBytes + batch.length);
  world.weather.clear(world.cluster.network);
  await world.time.runUntil(() => acksOf(session).length === 4);
  t.deepEqual(told(session), ['0 at 0', '1 at 1', '2 OVERLOADED', '3 HANDLE_CLOSED']);
});

test('sessions take turns: together they hold one frame beyond the memory for appends, and all is written', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(1);
  const appendBytes = 400_000;
  const small = await secondGateway(world, { appendBytes });
  const batch = batchOf(['x'.repeat(300_000)]);
  const sessions = Array.from({ length: 8 }, (_, i) =>
    appendSession(cluster.network.dialer(`app-${i}`).dial('gateway-2', 'data')),
  );
  weather.hold('node-1', 'gateway-2');
  for (const session of sessions) {
    open(session, id, partition, 1);
    send(session, { handle: 1, sequence: 0, batch });
  }
  let mostBytes = 0;
  const look = (): void => {
    mostBytes = Math.max(mostBytes, small.heldAppendBytes);
  };
  await time.runFor(1_000);
  look();
  weather.clear(cluster.network);
  await time.runUntil(() => {
    look();
    return sessions.every((session) => acksOf(session).length === 1);
  });
  t.true(mostBytes > appendBytes, 'it was full');
  t.true(mostBytes <= appendBytes + batch.length, `${mostBytes} bytes were held`);
  t.deepEqual(
    sessions.flatMap(told).sort(),
    Array.from({ length: 8 }, (_, i) => `0 at ${i}`),
  );
  t.is(small.heldAppendBytes, 0);
  await small.stop();
});

test('both sides hear that the gateway lives, and whoever falls silent is cut off', async (t) => {
  const world = await behindGateway();
  const { time, weather, cluster } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(1);
  const session = appendSession(world.channel('app'));
  open(session, id, partition, 1);
  for (let i = 0; i < 8; i += 1) {
    await time.runFor(4_000);
    session.send({ frame: { case: 'heartbeat', value: {} } });
  }
  t.true(session.of('heartbeat').length >= 8);
  t.deepEqual(movedOf(session), [], 'the node has not cut the gateway off');
  weather.hold('node-1', 'gateway-1');
  for (let i = 0; i < 5 && movedOf(session).length === 0; i += 1) {
    await time.runFor(4_000);
    session.send({ frame: { case: 'heartbeat', value: {} } });
  }
  t.is(movedOf(session)[0]?.reason, 'NOT_SERVING', 'a silent node is lost');
  t.false(session.isOver);
  await time.runFor(16_000);
  t.true(session.isOver, 'a silent client is cut off');
  weather.clear(cluster.network);
  await time.runFor(20_000);
  t.is(cluster.gateway().service.heldAppendBytes, 0);
});

test('a node that leaves takes no new partitions, and answers what it has', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(2);
  const session = appendSession(world.channel('app'));
  open(session, id, partition, 1);
  cluster.node(2).disk.holdSyncs();
  send(session, { handle: 1, sequence: 0, batch: batchOf(['a']) });
  await time.runFor(50);
  cluster.node(2).service.drain(1_000);
  await time.runUntil(() => movedOf(session).length === 1);
  t.deepEqual(movedOf(session), [{ handle: 1, leader: undefined, reason: 'NOT_SERVING' }]);
  t.deepEqual(told(session), []);
  cluster.node(2).disk.releaseSyncs();
  await time.runUntil(() => acksOf(session).length === 1);
  t.deepEqual(told(session), ['0 at 0']);
  open(session, id, partition, 2);
  await time.runUntil(() => movedOf(session).length === 2);
  t.deepEqual(movedOf(session).at(-1), { handle: 2, leader: undefined, reason: 'NOT_SERVING' });
});

test('a gateway that leaves says so, answers what is in flight, and takes no new session', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(1);
  const session = appendSession(world.channel('app'));
  open(session, id, partition, 1);
  cluster.node(1).disk.holdSyncs();
  send(session, { handle: 1, sequence: 0, batch: batchOf(['a']) });
  await time.runFor(50);
  cluster.gateway().service.drain(1_000);
  await time.runFor(50);
  t.is(session.of('drain')[0]?.value.graceMs, 1_000);
  session.end();
  cluster.node(1).disk.releaseSyncs();
  await time.runUntil(() => session.isOver);
  t.deepEqual(told(session), ['0 at 0']);
  const late = appendSession(world.channel('app'));
  await time.runUntil(() => late.isOver);
  t.is(late.error instanceof Error && late.error.name, 'NOT_SERVING');
});
