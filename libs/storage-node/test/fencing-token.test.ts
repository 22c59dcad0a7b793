import { offset } from '@moldau/kernel';
import { LogService, ReadFormat } from '@moldau/proto/moldau/log/v1/log_pb';
import { Acks } from '@moldau/proto/moldau/log/v1/record_pb';
import { fromWireError } from '@moldau/rpc';
import test from 'ava';
import { appendSession, batchOf, fetchSession, nodeWithTopic } from './support.ts';
import { threeCopies } from './three-copies.ts';

type Session = ReturnType<typeof appendSession>;

const told = (session: Session): string[] =>
  session
    .of('acks')
    .flatMap(({ value }) => value.acks)
    .map(({ sequence, baseOffset, error }) =>
      error === undefined ? `${sequence} at ${baseOffset}` : `${sequence} ${fromWireError(error).reason}`,
    );
const opened = (session: Session) =>
  session.of('opened').map(({ value }) => `${value.handle}: ${value.fencingToken} at ${value.raisedAt}`);
const moved = (session: Session) => session.of('moved').map(({ value }) => value.error && fromWireError(value.error));
const open = (session: Session, topicId: string, fencingToken?: bigint, handle = 1): void =>
  session.send({
    frame: {
      case: 'open',
      value: { handle, topicId, partition: 0, ...(fencingToken !== undefined && { fencingToken }) },
    },
  });
const send = (session: Session, first: number, values: readonly string[], handle = 1, acks: Acks = Acks.ALL): void =>
  session.send({
    frame: {
      case: 'batches',
      value: {
        entries: values.map((value, i) => ({ handle, sequence: BigInt(first + i), batch: batchOf([value]), acks })),
      },
    },
  });

test('of two writers the one with the lower token is fenced, with what it has in flight', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const { time } = cluster;
  const [old, fresh] = [appendSession(channel), appendSession(channel)];
  open(old, topicId, 4n);
  send(old, 0, ['a', 'b']);
  await time.runUntil(() => told(old).length === 2);
  t.deepEqual(opened(old), ['1: 4 at 0']);
  // All of it is on its way at the same time.
  send(old, 2, ['c']);
  open(fresh, topicId, 5n);
  send(old, 3, ['d', 'e']);
  send(fresh, 0, ['f']);
  send(old, 5, ['g']);
  await time.runUntil(() => told(fresh).length === 1 && told(old).length === 6);
  t.deepEqual(told(old), ['0 at 1', '1 at 2', '2 at 3', '3 FENCED_TOKEN', '4 HANDLE_CLOSED', '5 HANDLE_CLOSED']);
  t.deepEqual(opened(fresh), ['1: 5 at 4']);
  t.deepEqual(told(fresh), ['0 at 5']);
  // It learns of it when it comes back, too, and so does one that has none.
  open(old, topicId, 4n, 2);
  open(old, topicId, undefined, 3);
  send(old, 6, ['h'], 3);
  await time.runUntil(() => told(old).length === 7);
  t.is(told(old)[6], '6 FENCED_TOKEN');
  const [error] = moved(old);
  t.like(error, { reason: 'FENCED_TOKEN', outcome: 'NOT_WRITTEN', retriable: false });
  t.deepEqual([error?.fields.token, error?.fields.current_token].map(String), ['4', '5']);
});

test('a token that is in force already is answered at once, and nothing is written for it', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId, 4n);
  open(session, topicId, 4n, 2);
  open(session, topicId, -1n, 3);
  await cluster.time.runUntil(() => opened(session).length === 2 && moved(session).length === 1);
  t.deepEqual(opened(session), ['1: 4 at 0', '2: 4 at 0']);
  t.like(moved(session)[0], { reason: 'INVALID_REQUEST' });
  const [partition] = cluster.node().service.partitions;
  t.is(partition?.log.logEnd, offset(1));
});

test('the open is answered when the record is committed, not before', async (t) => {
  const world = await threeCopies({ 'min.insync.replicas': '3' });
  const { cluster, time, leader, followers, topic, partitionOn, converged } = world;
  await world.send('first');
  await converged();
  const session = appendSession(cluster.network.dialer('owner').dial(leader().address, 'data'));
  for (const node of followers()) node.pause();
  open(session, topic.id, 4n);
  send(session, 0, ['a'], 1, Acks.LEADER);
  await time.runFor(1_000);
  const { log } = partitionOn(leader());
  t.deepEqual(log.fencingToken, { token: 4n, at: offset(1) });
  t.is(log.durableEnd, offset(3), 'it is on the disk of the leader');
  t.deepEqual(opened(session), []);
  t.deepEqual(told(session), ['0 at 2'], 'what asked for the acknowledgment of the leader has got it');
  for (const node of cluster.nodes) node.resume();
  await time.runUntil(() => opened(session).length === 1, 20_000);
  t.true(log.highWatermark >= 2n);
});

test('an append that raises the token is answered when it is committed, whatever it asks for', async (t) => {
  const { cluster, time, leader, followers, topic, send: sendValue } = await threeCopies();
  await sendValue('first');
  const session = appendSession(cluster.network.dialer('owner').dial(leader().address, 'data'));
  const channel = cluster.network.dialer('plain').dial(leader().address, 'data');
  for (const node of followers()) node.pause();
  const records = [{ value: Buffer.from('a') }];
  let isAnswered = false;
  const request = { topic: 't', partition: 0, records, acks: Acks.LEADER, fencingToken: 4n, timeoutMs: 60_000 };
  const answered = channel.unary(LogService.method.append, request).then(() => {
    isAnswered = true;
  });
  await time.runFor(1_000);
  t.false(isAnswered);
  open(session, topic.id, 4n);
  send(session, 0, ['b'], 1, Acks.LEADER);
  await time.runUntil(() => told(session).length === 1);
  t.deepEqual(opened(session), [], 'it is in force, and not committed yet');
  for (const node of cluster.nodes) node.resume();
  await time.run(answered);
  await time.runUntil(() => opened(session).length === 1);
});

test('a leader that loses its place before the commit answers that', async (t) => {
  const {
    cluster,
    time,
    leader,
    followers,
    topic,
    send: sendValue,
  } = await threeCopies({ 'min.insync.replicas': '3' });
  await sendValue('first');
  const first = leader();
  const session = appendSession(cluster.network.dialer('owner').dial(first.address, 'data'));
  for (const node of followers()) node.pause();
  open(session, topic.id, 4n);
  await time.runFor(1_000);
  const stopped = first.stop();
  await time.runUntil(() => moved(session).length > 0, 60_000);
  t.deepEqual(opened(session), []);
  t.is(moved(session)[0]?.outcome, 'UNKNOWN');
  for (const node of cluster.nodes) node.resume();
  await time.run(stopped);
});

test('the token stays when another node leads, and comes with a copy that begins anew', async (t) => {
  const world = await threeCopies({ 'segment.bytes': '64KiB' });
  const { cluster, time, leader, topic, partitionOn, converged, client } = world;
  const first = leader();
  const session = appendSession(cluster.network.dialer('owner').dial(first.address, 'data'));
  open(session, topic.id, 4n);
  await time.runUntil(() => opened(session).length === 1);
  first.kill('kill');
  await time.runUntil(
    () => cluster.nodes.some((node) => node.isRunning && partitionOn(node).role.kind === 'leader'),
    60_000,
  );
  const second = appendSession(cluster.network.dialer('other').dial(leader().address, 'data'));
  open(second, topic.id);
  send(second, 0, ['late']);
  await time.runUntil(() => told(second).length === 1);
  t.deepEqual(told(second), ['0 FENCED_TOKEN']);
  // Far behind where the record was, which retention takes.
  const producer = client.producer({ topic: 't', fencingToken: 4n, batchSize: '16KiB' });
  for (let i = 0; i < 40; i += 1) await time.run(producer.send({ value: 'x'.repeat(10_000) }));
  await time.run(client.admin.trimPartition('t', 0, 30n));
  await time.run(first.start());
  await converged();
  for (const node of cluster.nodes) t.is(partitionOn(node).log.fencingToken?.token, 4n);
});

test('a unary append raises the token and is refused by it', async (t) => {
  const { cluster, channel } = await nodeWithTopic();
  const append = (value: string, fencingToken?: bigint, acks: Acks = Acks.ALL) =>
    cluster.time.run(
      channel.unary(LogService.method.append, {
        topic: 't',
        partition: 0,
        acks,
        records: [{ value: Buffer.from(value) }],
        ...(fencingToken !== undefined && { fencingToken }),
      }),
    );
  t.is((await append('a')).baseOffset, 0n);
  t.is((await append('b', 3n, Acks.LEADER)).baseOffset, 2n);
  const error = await t.throwsAsync(append('c'));
  t.like(error, { reason: 'FENCED_TOKEN' });
  t.regex(error?.message ?? '', /^t-0 is written to under fencing token 3, and this writer has none/);
  t.like(await t.throwsAsync(append('c', -1n)), { reason: 'INVALID_REQUEST' });
  t.is((await append('c', 3n)).baseOffset, 3n);
});

test('readers pass over control records: no record of one, no gap told, and the end is where it is', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const { time } = cluster;
  const session = appendSession(channel);
  open(session, topicId, 1n);
  send(session, 0, ['a']);
  open(session, topicId, 2n, 2);
  await time.runUntil(() => opened(session).length === 2);
  const reader = fetchSession(channel);
  reader.send({ frame: { case: 'credit', value: { bytes: 1_000_000n } } });
  reader.send({
    frame: { case: 'add', value: { handle: 1, topicId, partition: 0, from: { at: { case: 'offset', value: 0n } } } },
  });
  await time.runUntil(() => reader.of('caughtUp').some(({ value }) => value.at === 3n));
  t.deepEqual(reader.of('gap'), []);
  const found: string[] = [];
  const client = cluster.client('reader');
  const reading = async (): Promise<void> => {
    for await (const { offset: at, value } of client.read('t', { until: 'end' })) found.push(`${at} ${value}`);
  };
  await time.run(reading());
  t.deepEqual(found, ['1 a']);
  const parts: string[] = [];
  const unary = async (): Promise<void> => {
    for await (const { records, nextOffset } of channel.serverStream(LogService.method.read, {
      topic: 't',
      limit: 5n,
    })) {
      parts.push(`${records.map((record) => `${record.offset}`).join()} then ${nextOffset}`);
    }
  };
  await time.run(unary());
  t.deepEqual(parts, ['1 then 3']);
  // A limit counts records, in batches too.
  const ends: bigint[] = [];
  const request = { topic: 't', limit: 2n, follow: true, format: ReadFormat.BATCHES };
  const following = async (): Promise<void> => {
    for await (const { nextOffset } of channel.serverStream(LogService.method.read, request)) ends.push(nextOffset);
  };
  const followed = following();
  await time.runUntil(() => ends.length === 1);
  send(session, 1, ['b'], 2);
  await time.run(followed);
  t.deepEqual(ends, [3n, 4n]);
});
