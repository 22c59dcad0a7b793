import { CopyState } from '@moldau/proto/moldau/internal/v1/replication_pb';
import test from 'ava';
import { RawFollower } from './raw-follower.ts';
import { CollectingMeter, threeCopies } from './three-copies.ts';

/** One of the three is gone, and somebody speaks in its name. */
async function impostor() {
  const meter = new CollectingMeter();
  const world = await threeCopies({}, { meter: () => meter });
  for (let i = 0; i < 10; i += 1) await world.send(`record ${i}`);
  await world.converged();
  const [gone] = world.followers();
  if (gone === undefined) throw new Error('nobody follows');
  const member = world.partitionOn(world.leader()).leading?.committed.isr.find(({ node }) => node === gone.id);
  const identity = { node: Number(gone.id), epoch: member?.epoch ?? 0n };
  gone.kill('kill');
  await world.time.runUntil(() => world.partitionOn(world.leader()).leading?.committed.isr.length === 2);
  const refused = (reason: string): number => meter.of(`moldau_storage_node_refused_sessions_total ${reason}`);
  const come = (node = identity.node) => new RawFollower(world, { ...identity, node });
  const { epoch } = world.partitionOn(world.leader()).leading ?? { epoch: 0 };
  /** Whatever was said: what was written is there, more is written, and the one who was away comes back. */
  const isUnharmed = async (): Promise<boolean> => {
    await world.send('one more');
    await world.time.run(gone.start());
    await world.converged();
    const reader = world.cluster.client('reader', 60_000, world.time);
    const values: (string | null)[] = [];
    const all = async (): Promise<void> => {
      for await (const { value } of reader.read('t', { from: 'start', until: 'end' })) values.push(value);
    };
    await world.time.run(all());
    return values.length === 11 && values[9] === 'record 9';
  };
  return { ...world, meter, refused, come, gone, epoch, isUnharmed };
}

type Frame = ReturnType<RawFollower['greeting']>;

const streams: Record<string, [(follower: RawFollower) => Frame[], string]> = {
  'no greeting': [() => [{ creditBytes: 1n }], 'INVALID_REQUEST'],
  'a version that is not known': [(it) => [it.greeting({ version: 2 })], 'INVALID_REQUEST'],
  'another cluster': [(it) => [it.greeting({ clusterId: 'elsewhere' })], 'WRONG_CLUSTER'],
  'another node than it means': [(it) => [it.greeting({ leaderId: 77 })], 'NOT_SERVING'],
  'no node': [(it) => [it.greeting({ nodeId: 0 })], 'INVALID_REQUEST'],
  'a stream older than the newest': [(it) => [it.greeting({ stream: 0n })], 'NOT_SERVING'],
  'an older start': [(it) => [it.greeting({ nodeEpoch: 1n })], 'STALE_NODE'],
  'a node that there is not': [(it) => [it.greeting({ nodeId: 77 })], 'NOT_SERVING'],
  'a start that is still to come': [(it) => [it.greeting({ nodeEpoch: 2n ** 62n })], 'NOT_SERVING'],
  'two greetings': [(it) => [it.greeting(), it.greeting()], 'INVALID_REQUEST'],
  'a debt for a credit': [(it) => [it.greeting(), { creditBytes: -1n }], 'INVALID_REQUEST'],
  'more sessions than a frame holds': [
    (it) => [it.greeting(), { hellos: Array.from({ length: 501 }, (_, i) => it.hello(i)) }],
    'INVALID_REQUEST',
  ],
  'more acks than a frame holds': [
    (it) => [it.greeting(), { acks: Array.from({ length: 10_001 }, (_, session) => ({ session })) }],
    'INVALID_REQUEST',
  ],
  'a session number that is in use': [
    (it) => [it.greeting(), { hellos: [it.hello(1)] }, { hellos: [it.hello(1)] }],
    'INVALID_REQUEST',
  ],
  silence: [() => [], 'NOT_SERVING'],
};

test('a stream that begins or goes on as none may is ended, with the reason', async (t) => {
  const { come, time, isUnharmed } = await impostor();
  const first = come();
  await first.say(first.greeting());
  for (const [what, [frames, reason]] of Object.entries(streams)) {
    const follower = come();
    await follower.say(...frames(follower));
    if (frames(follower).length === 0) await time.runFor(6_000);
    t.is(follower.reason, reason, what);
  }
  t.true(await isUnharmed());
});

const hellos: Record<
  string,
  [(follower: RawFollower, epoch: number) => NonNullable<Parameters<RawFollower['hello']>[1]>, string]
> = {
  'an older epoch': [(_, epoch) => ({ leaderEpoch: epoch - 1 }), 'FENCED'],
  'no such topic': [() => ({ topicId: '../etc' }), 'NOT_LEADER'],
  'no such partition': [() => ({ partition: 4_000_000_000 }), 'NOT_LEADER'],
  'an unknown kind of copy': [() => ({ copy: 9 as CopyState }), 'PROTOCOL'],
  'no kind of copy': [() => ({ copy: 0 }), 'PROTOCOL'],
  'a copy that ends before it begins': [() => ({ logStart: 5n, durableEnd: 4n }), 'PROTOCOL'],
  'a negative start': [() => ({ logStart: -1n }), 'PROTOCOL'],
  'too many epochs': [
    () => ({ epochs: Array.from({ length: 65 }, (_, i) => ({ epoch: i + 1, start: BigInt(i) })) }),
    'PROTOCOL',
  ],
  'epochs out of order': [
    () => ({
      epochs: [
        { epoch: 2, start: 0n },
        { epoch: 1, start: 5n },
      ],
    }),
    'PROTOCOL',
  ],
};

test('a Hello of what can not be is refused, alone, and counted', async (t) => {
  const { come, refused, epoch, isUnharmed } = await impostor();
  const follower = come();
  await follower.say(follower.greeting(), { hellos: [follower.hello(1)] });
  t.is(follower.answer(1), 'welcome');
  let session = 1;
  const counted = new Map<string, number>();
  for (const [what, [change, reason]] of Object.entries(hellos)) {
    session += 1;
    await follower.say({ hellos: [follower.hello(session, change(follower, epoch))] });
    t.is(follower.answer(session), reason, what);
    counted.set(reason, (counted.get(reason) ?? 0) + 1);
  }
  t.is(follower.reason, undefined, 'the stream goes on');
  t.is(follower.answer(1), 'welcome', 'and so does the session that was there');
  t.is(refused('fenced'), counted.get('FENCED') ?? 0);
  t.true(refused('not-leader') >= (counted.get('NOT_LEADER') ?? 0));
  t.is(refused('protocol'), counted.get('PROTOCOL') ?? 0);
  follower.leave();
  t.true(await isUnharmed());
});

const claims: Record<string, (epoch: number, end: bigint) => Frame> = {
  'ready beyond the log': (epoch, end) => ({
    readies: [{ session: 1, leaderEpoch: epoch, durableEnd: end + 1n, lastEpoch: epoch }],
  }),
  'ready below nothing': (epoch) => ({ readies: [{ session: 1, leaderEpoch: epoch, durableEnd: -1n, lastEpoch: 0 }] }),
  'ready with another last epoch': (epoch, end) => ({
    readies: [{ session: 1, leaderEpoch: epoch, durableEnd: end, lastEpoch: epoch + 1 }],
  }),
  'ready in another epoch': (epoch, end) => ({
    readies: [{ session: 1, leaderEpoch: epoch + 1, durableEnd: end, lastEpoch: epoch }],
  }),
  'an ack before it is ready': (epoch, end) => ({
    acks: [{ session: 1, leaderEpoch: epoch, durableEnd: end, logStart: 0n }],
  }),
};

/** Of a session that is ready, where it ends. */
const lies: typeof claims = {
  'ready twice': (epoch, end) => ({
    readies: [{ session: 1, leaderEpoch: epoch, durableEnd: end, lastEpoch: epoch }],
  }),
  'an ack beyond what was sent': (epoch, end) => ({
    acks: [{ session: 1, leaderEpoch: epoch, durableEnd: end + 1n, logStart: 0n }],
  }),
  'an ack that goes back': (epoch, end) => ({
    acks: [{ session: 1, leaderEpoch: epoch, durableEnd: end - 1n, logStart: 0n }],
  }),
  'an ack below nothing': (epoch) => ({
    acks: [{ session: 1, leaderEpoch: epoch, durableEnd: -1n, logStart: -1n }],
  }),
  'an ack of another epoch': (epoch, end) => ({
    acks: [{ session: 1, leaderEpoch: epoch - 1, durableEnd: end, logStart: 0n }],
  }),
  'a log start behind its end': (epoch, end) => ({
    acks: [{ session: 1, leaderEpoch: epoch, durableEnd: end, logStart: end + 1n }],
  }),
};

test('a session whose follower claims what can not be does not go on', async (t) => {
  const { come, refused, epoch, isUnharmed, partitionOn, leader } = await impostor();
  const end = partitionOn(leader()).log.durableEnd;
  let before = refused('protocol');
  for (const [isReady, all] of [
    [false, claims],
    [true, lies],
  ] as const) {
    for (const [what, frame] of Object.entries(all)) {
      const follower = come();
      await follower.say(follower.greeting(), { hellos: [follower.hello(1)] });
      const ready = { session: 1, leaderEpoch: epoch, durableEnd: end, lastEpoch: epoch };
      if (isReady) await follower.say({ readies: [ready] });
      await follower.say(frame(epoch, end));
      t.is(follower.answer(1), 'PROTOCOL', what);
      t.is(follower.reason, undefined, what);
      t.is(refused('protocol'), before + 1);
      before += 1;
      follower.leave();
    }
  }
  const follower = come();
  await follower.say(follower.greeting(), { acks: [{ session: 9, durableEnd: 5n }], nacks: [{ session: 8 }] });
  t.is(follower.reason, undefined, 'what was said of a session that is over is let be');
  follower.leave();
  t.true(await isUnharmed());
});

test('an ack of what the leader has, and has not sent, counts for nothing', async (t) => {
  const { come, epoch, isUnharmed, partitionOn, leader } = await impostor();
  const end = partitionOn(leader()).log.durableEnd;
  const follower = come();
  const durableEnd = end - 5n;
  // Without credit nothing is sent.
  await follower.say({ ...follower.greeting(), creditBytes: 0n }, { hellos: [follower.hello(1, { durableEnd })] });
  await follower.say({ readies: [{ session: 1, leaderEpoch: epoch, durableEnd, lastEpoch: epoch }] });
  await follower.say({ acks: [{ session: 1, leaderEpoch: epoch, durableEnd: end, logStart: 0n }] });
  t.is(follower.answer(1), 'PROTOCOL');
  follower.leave();
  t.true(await isUnharmed());
});

test('a follower that claims a newer epoch ends the leadership, and the partition gets a newer one', async (t) => {
  const { come, epoch, time, cluster, partitionOn, isUnharmed } = await impostor();
  const follower = come();
  await follower.say(follower.greeting(), { hellos: [follower.hello(1, { leaderEpoch: epoch + 7 })] });
  const led = (): boolean =>
    cluster.nodes.some((node) => node.isRunning && (partitionOn(node).leading?.epoch ?? 0) > epoch);
  await time.runUntil(led, 10_000);
  t.is(follower.answer(1), 'UNKNOWN_EPOCH');
  follower.leave();
  t.true(await isUnharmed());
});

test('each Hello ends the session before: of thousands one is left, and a copy that begins anew is looked for once', async (t) => {
  const { come, partitionOn, leader, isUnharmed } = await impostor();
  const follower = come();
  const { log } = partitionOn(leader());
  let reads = 0;
  const { read } = log;
  log.read = (...args: Parameters<typeof read>) => {
    reads += 1;
    return read.apply(log, args);
  };
  await follower.say(follower.greeting());
  for (let i = 0; i < 40; i += 1) {
    const change = { copy: i % 2 === 0 ? CopyState.WHOLE : CopyState.LOST };
    await follower.say({ hellos: Array.from({ length: 500 }, (_, j) => follower.hello(1 + i * 500 + j, change)) });
  }
  t.true(reads < 10, `the log was read ${reads} times`);
  const welcomed = follower.frames.flatMap(({ welcomes }) => welcomes).length;
  const ended = follower.frames.flatMap(({ rejects }) => rejects).length;
  t.is(welcomed, 10_020, 'of those that begin anew the last one of each frame');
  t.is(ended, 19_999);
  t.is(follower.answer(20_000), 'welcome');
  t.is(partitionOn(leader()).leading?.committed.isr.length, 2);
  follower.leave();
  t.true(await isUnharmed());
});
