import { hasReason } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { fromWireError } from '@moldau/rpc';
import test from 'ava';
import { appendSession, batchOf, nodeWithTopic, watchedNode } from './support.ts';

type Session = ReturnType<typeof appendSession>;

const acksOf = (session: Session) => session.of('acks').flatMap(({ value }) => value.acks);
/** Each ack as its base offset or its reason, in the order of arrival. */
const told = (session: Session): string[] =>
  acksOf(session).map(({ sequence, baseOffset, error }) => {
    const fate =
      error === undefined ? (baseOffset === undefined ? 'written' : `at ${baseOffset}`) : fromWireError(error).reason;
    return `${sequence} ${fate}`;
  });
const open = (session: Session, topicId: string, handle = 1): void =>
  session.send({ frame: { case: 'open', value: { handle, topicId, partition: 0 } } });
const send = (
  session: Session,
  entries: { handle?: number; sequence: number; batch: Uint8Array; expectedOffset?: bigint }[],
): void =>
  session.send({
    frame: {
      case: 'batches',
      value: { entries: entries.map((entry) => ({ handle: 1, ...entry, sequence: BigInt(entry.sequence) })) },
    },
  });

test('entries are acknowledged in order, with their offsets', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  send(session, [
    { sequence: 0, batch: batchOf(['a', 'b']) },
    { sequence: 1, batch: batchOf(['c']) },
  ]);
  await cluster.time.runUntil(() => acksOf(session).length === 2);
  t.deepEqual(told(session), ['0 at 0', '1 at 2']);
  t.true((session.of('window')[0]?.value.creditBytes ?? 0n) > 0n);
});

test('a bad batch fails alone, ends its handle, and nothing behind it is written', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  const bad = batchOf(['x']);
  bad[bad.length - 1] = 0xff;
  send(session, [
    { sequence: 0, batch: batchOf(['a']) },
    { sequence: 1, batch: bad },
    { sequence: 2, batch: batchOf(['c']) },
  ]);
  open(session, topicId, 2);
  send(session, [{ handle: 2, sequence: 3, batch: batchOf(['d']) }]);
  await cluster.time.runUntil(() => acksOf(session).length === 4);
  const byHandle = told(session);
  t.deepEqual([...byHandle].sort(), ['0 at 0', '1 CORRUPT_BATCH', '2 HANDLE_CLOSED', '3 at 1']);
  t.true(byHandle.indexOf('0 at 0') < byHandle.indexOf('1 CORRUPT_BATCH'));
});

test('a repeated batch of a producer gets its first offset, and is stored once', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  const producer = { id: 7n, epoch: 0, baseSequence: 0 };
  send(session, [
    { sequence: 0, batch: batchOf(['a', 'b'], producer) },
    { sequence: 1, batch: batchOf(['a', 'b'], producer) },
    { sequence: 2, batch: batchOf(['c'], { ...producer, baseSequence: 2 }) },
  ]);
  await cluster.time.runUntil(() => acksOf(session).length === 3);
  t.deepEqual(told(session), ['0 at 0', '1 at 0', '2 at 2']);
});

test('sequences with a hole, unknown producers and fenced epochs are refused', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const refused = async (batch: Uint8Array): Promise<string | undefined> => {
    const session = appendSession(channel);
    open(session, topicId);
    send(session, [{ sequence: 0, batch }]);
    await cluster.time.runUntil(() => acksOf(session).length === 1);
    return told(session)[0];
  };
  t.is(await refused(batchOf(['a'], { id: 7n, epoch: 1, baseSequence: 0 })), '0 at 0');
  t.is(await refused(batchOf(['b'], { id: 7n, epoch: 1, baseSequence: 5 })), '0 OUT_OF_ORDER_SEQUENCE');
  t.is(await refused(batchOf(['b'], { id: 7n, epoch: 0, baseSequence: 1 })), '0 PRODUCER_FENCED');
  t.is(await refused(batchOf(['b'], { id: 8n, epoch: 0, baseSequence: 3 })), '0 UNKNOWN_PRODUCER');
});

test('compare-and-append writes only at the expected end', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  send(session, [
    { sequence: 0, batch: batchOf(['a']), expectedOffset: 0n },
    { sequence: 1, batch: batchOf(['b']), expectedOffset: 0n },
  ]);
  await cluster.time.runUntil(() => acksOf(session).length === 2);
  t.deepEqual(told(session), ['0 at 0', '1 EXPECTED_OFFSET_MISMATCH']);
  const { error } = acksOf(session)[1] ?? {};
  t.is(error?.fields.actual, '1');
});

test('opening what is gone, or what nobody has told of, is answered, and entries on it are refused', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  await cluster.time.run(cluster.client('admin').admin.deleteTopic('t'));
  await cluster.time.runFor(1_000);
  for (const [id, reason] of [
    [topicId, 'UNKNOWN_TOPIC'],
    ['newtopic', 'NOT_LEADER'],
  ] as const) {
    const session = appendSession(channel);
    open(session, id);
    send(session, [{ sequence: 0, batch: batchOf(['a']) }]);
    await cluster.time.runUntil(() => acksOf(session).length === 1);
    const moved = session.of('moved')[0]?.value;
    t.is(moved?.error && fromWireError(moved.error).reason, reason);
    t.deepEqual(told(session), ['0 HANDLE_CLOSED']);
  }
  t.is(cluster.node().service.heldAppendBytes, 0);
});

test('a client that ends its session gets every answer first', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  send(session, [{ sequence: 0, batch: batchOf(['a']) }]);
  session.end();
  await cluster.time.runUntil(() => session.isOver);
  t.deepEqual(told(session), ['0 at 0']);
});

test('an entry that does not commit in time is answered UNKNOWN, and is there when the disk comes back', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  cluster.node().disk.holdSyncs();
  session.send({
    frame: {
      case: 'batches',
      value: { entries: [{ handle: 1, sequence: 0n, batch: batchOf(['a']), timeoutMs: 1_000 }] },
    },
  });
  await cluster.time.runUntil(() => acksOf(session).length === 1);
  t.deepEqual(told(session), ['0 TIMED_OUT']);
  cluster.node().disk.releaseSyncs();
  const read = async (): Promise<string[]> => {
    const values: string[] = [];
    for await (const record of cluster.client('checker').read('t', { until: 'end' })) values.push(record.value ?? '');
    return values;
  };
  await cluster.time.runFor(100);
  t.deepEqual(await cluster.time.run(read()), ['a']);
});

test('an idle session hears from the node, and a silent client is cut off', async (t) => {
  const { cluster, channel } = await nodeWithTopic();
  const session = appendSession(channel);
  await cluster.time.runFor(5_000);
  t.true(session.of('heartbeat').length > 0);
  await cluster.time.runFor(15_000);
  t.true(session.isOver);
});

test('answers of one handle come in the order of its entries, refusals too', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  cluster.node().disk.holdSyncs();
  const bad = batchOf(['x']);
  bad[bad.length - 1] = 0xff;
  send(session, [
    { sequence: 0, batch: batchOf(['a']) },
    { sequence: 1, batch: bad },
    { sequence: 2, batch: batchOf(['c']) },
  ]);
  await cluster.time.runFor(100);
  t.deepEqual(told(session), []);
  cluster.node().disk.releaseSyncs();
  await cluster.time.runUntil(() => acksOf(session).length === 3);
  t.deepEqual(told(session), ['0 at 0', '1 CORRUPT_BATCH', '2 HANDLE_CLOSED']);
});

test('a client that has said all it wanted is not cut off while it waits', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  cluster.node().disk.holdSyncs();
  session.send({
    frame: {
      case: 'batches',
      value: { entries: [{ handle: 1, sequence: 0n, batch: batchOf(['a']), timeoutMs: 60_000 }] },
    },
  });
  session.end();
  await cluster.time.runFor(30_000);
  cluster.node().disk.releaseSyncs();
  await cluster.time.runUntil(() => session.isOver);
  t.deepEqual(told(session), ['0 at 0']);
});

test('an election that the disk had no room for is applied once it has', async (t) => {
  const { cluster, channel } = await nodeWithTopic();
  const append = (text: string) =>
    cluster.time.run(
      channel.unary(LogService.method.append, { topic: 't', records: [{ value: Buffer.from(text), headers: [] }] }),
    );
  await append('a');
  // The write fails, the leader resigns, and the epoch under which it is elected again can't be stored.
  cluster.node().disk.fail('append', 'ENOSPC', 1, '.log');
  for (let nth = 1; nth <= 3; nth += 1) cluster.node().disk.fail('append', 'ENOSPC', nth, 'checkpoint');
  t.true(hasReason(await t.throwsAsync(append('b')), 'DISK_FULL'));
  await cluster.time.runFor(10_000);
  t.is((await append('c')).baseOffset, 1n);
});

test('a client that sends beyond its credit is cut off, and nothing of that is written', async (t) => {
  const { cluster, channel, topicId } = await nodeWithTopic();
  const session = appendSession(channel);
  open(session, topicId);
  cluster.node().disk.holdSyncs();
  await cluster.time.runUntil(() => session.of('window').length === 1);
  const batch = batchOf(['x'.repeat(100_000)]);
  const credit = Number(session.of('window')[0]?.value.creditBytes);
  const allowed = Math.ceil(credit / batch.length);
  for (let sequence = 0; sequence < allowed; sequence += 1) send(session, [{ sequence, batch }]);
  await cluster.time.runFor(100);
  t.false(session.isOver);
  send(session, [
    { sequence: allowed, batch: batchOf(['beyond']) },
    { sequence: allowed + 1, batch: batchOf(['beyond']) },
  ]);
  await cluster.time.runUntil(() => session.isOver);
  t.true(hasReason(session.error, 'OVERLOADED'));
  cluster.node().disk.releaseSyncs();
  await cluster.time.runFor(1_000);
  const read = async (): Promise<number[]> => {
    const lengths: number[] = [];
    for await (const record of cluster.client('checker').read('t', { until: 'end' })) {
      lengths.push(record.value?.length ?? 0);
    }
    return lengths;
  };
  t.deepEqual(await cluster.time.run(read()), Array<number>(allowed).fill(100_000));
  t.is(cluster.node().service.heldAppendBytes, 0);
});

test('sessions without number wait in line for the budget, and a small one among them is served', async (t) => {
  const appendBudgetBytes = 512 * 1024;
  const { cluster, channel, topicId } = await nodeWithTopic(1, {}, { appendBudgetBytes });
  const batch = batchOf(['x'.repeat(100_000)]);
  cluster.node().disk.holdSyncs();
  const sessions = Array.from({ length: 40 }, () => appendSession(channel));
  for (const session of sessions) {
    open(session, topicId);
    send(session, [{ sequence: 0, batch }]);
  }
  const last = appendSession(channel);
  open(last, topicId);
  send(last, [{ sequence: 0, batch: batchOf(['small']) }]);
  await cluster.time.runFor(1_000);
  t.is(acksOf(last).length, 0);
  cluster.node().disk.releaseSyncs();
  const startedMs = cluster.time.monotonicMs();
  let peakBytes = cluster.node().service.heldAppendBytes;
  await cluster.time.runUntil(() => {
    peakBytes = Math.max(peakBytes, cluster.node().service.heldAppendBytes);
    return acksOf(last).length === 1;
  });
  t.true(peakBytes >= appendBudgetBytes);
  t.true(peakBytes <= appendBudgetBytes + batch.length + 512, `${peakBytes}`);
  t.true(cluster.time.monotonicMs() - startedMs < 1_000);
  t.true(sessions.every((session) => told(session)[0]?.startsWith('0 at')));
});

test('a session that waits for room says what it keeps, and leaves the line when it ends', async (t) => {
  const { cluster, topicId } = await nodeWithTopic(1, {}, { appendBudgetBytes: 64 * 1024 });
  const { channel, kept } = watchedNode(cluster);
  cluster.node().disk.holdSyncs();
  const first = appendSession(channel);
  open(first, topicId);
  send(first, [{ sequence: 0, batch: batchOf(['x'.repeat(70_000)]) }]);
  await cluster.time.runFor(100);
  t.deepEqual(kept, []);
  const second = appendSession(channel);
  open(second, topicId);
  const batch = batchOf(['y'.repeat(30_000)]);
  send(second, [{ sequence: 0, batch }]);
  await cluster.time.runFor(100);
  t.deepEqual(kept, [batch.length + 512]);
  second.cancel();
  await cluster.time.runFor(100);
  t.deepEqual(kept, [batch.length + 512, 0]);
  cluster.node().disk.releaseSyncs();
  await cluster.time.runUntil(() => acksOf(first).length === 1);
  t.is(cluster.node().service.heldAppendBytes, 0);
});
