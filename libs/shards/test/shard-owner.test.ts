import { LogService, ReadFormat } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader } from '@moldau/records';
import test from 'ava';
import { defaultShardLimits } from '../src/index.ts';
import { told } from './support/registers.ts';
import { add, ask, get, groupsTopic, world } from './support/world.ts';

test('an owner serves, and the next one finds all that was answered', async (t) => {
  const { time, ownerOn } = await world();
  const [one, two] = [ownerOn('one'), ownerOn('two')];
  const first = one.own(5n);
  t.throws(() => ask(first, add('a')), { message: /is fencing/ });
  await time.run(first.ready());
  const notes = ask(first, add('a'));
  for (let i = 0; i < 100; i += 1) ask(first, add('b'), notes);
  ask(first, get('a'), notes);
  t.deepEqual(notes, [], 'nothing is answered before it is committed');
  await time.runUntil(() => notes.length === 102);
  t.deepEqual([notes[0], notes[100], notes[101]], [1, 100, 1]);
  t.is(one.frames.length, 101);
  await time.run(first.drain());
  t.deepEqual(one.lost, ['NOT_SERVING']);

  const second = two.own(6n);
  await time.run(second.ready());
  t.deepEqual(two.states[0], one.states[0]);
  t.deepEqual(await time.run(answer(second, 'b')), 100);
});

const answer = (owner: Parameters<typeof ask>[0], key: string): Promise<string | number> =>
  new Promise((resolve) => owner.submit(get(key), (error, reply) => resolve(told(error, reply)), { isFresh: true }));

test('many requests of one turn are one batch', async (t) => {
  const { cluster, time, ownerOn, leader } = await world();
  const owner = ownerOn('one').own(5n);
  await time.run(owner.ready());
  const notes: (string | number)[] = [];
  for (let i = 0; i < 50; i += 1) ask(owner, add('a'), notes);
  await time.runUntil(() => notes.length === 50);
  const channel = cluster.network.dialer('app').dial(leader().address, 'data');
  const counts: number[] = [];
  const read = async (): Promise<void> => {
    const request = { topic: groupsTopic, format: ReadFormat.BATCHES };
    for await (const { batches } of channel.serverStream(LogService.method.read, request)) {
      for (let at = 0; at < batches.length; at += new BatchHeader(batches, at).sizeBytes) {
        const header = new BatchHeader(batches, at);
        if (!header.isControl) counts.push(header.recordsCount);
      }
    }
  };
  await time.run(read());
  t.deepEqual(counts, [50]);
});

test('an owner that was paused wakes up as nobody', async (t) => {
  const { time, ownerOn } = await world();
  const [one, two] = [ownerOn('one'), ownerOn('two')];
  const first = one.own(5n);
  await time.run(first.ready());
  const before = ask(first, add('a'));
  await time.runUntil(() => before.length === 1);
  one.pause();
  const asleep = ask(first, add('a'));
  const second = two.own(6n);
  await time.run(second.ready());
  const during = ask(second, add('a', 10));
  await time.runUntil(() => during.length === 1);
  t.deepEqual(during, [12], 'what it sent as it fell asleep came before the fence');
  one.resume();
  const late = ask(first, add('a', 100));
  const read = ask(first, get('a'));
  await time.runUntil(() => late.length + read.length === 2, 60_000);
  t.deepEqual(asleep, [2]);
  t.deepEqual([late, read].flat(), ['NOT_SERVING NOT_WRITTEN', 'NOT_SERVING NOT_WRITTEN']);
  t.deepEqual(one.lost, ['FENCED_TOKEN']);
  t.throws(() => ask(first, get('a')), { message: /with another owner/ });
  t.is(await time.run(answer(second, 'a')), 12);
});

test('a read that asks for it never comes from an owner that is none any more', async (t) => {
  const { time, ownerOn } = await world();
  const [one, two] = [ownerOn('one'), ownerOn('two')];
  const first = one.own(5n);
  await time.run(first.ready());
  one.pause();
  const second = two.own(6n);
  await time.run(second.ready());
  one.resume();
  const read = ask(first, get('a'), [], true);
  await time.runUntil(() => read.length === 1, 60_000);
  t.deepEqual(read, ['NOT_SERVING NOT_WRITTEN']);
  t.deepEqual(one.lost, ['FENCED_TOKEN']);
});

test('of two owners the one with the higher epoch stays, whoever comes first', async (t) => {
  const { time, ownerOn } = await world();
  const [one, two] = [ownerOn('one'), ownerOn('two')];
  const [late, early] = [one.own(5n), two.own(6n)];
  await time.run(early.ready());
  const notes = ask(early, add('a'));
  await time.runUntil(() => late.phase.kind === 'lost' || late.phase.kind === 'serving');
  if (late.phase.kind === 'serving') ask(late, add('a'));
  await time.runUntil(() => notes.length === 1 && late.phase.kind === 'lost');
  t.deepEqual(one.lost, ['FENCED_TOKEN']);
  t.deepEqual(notes, [1]);
  const again = one.own(5n);
  await t.throwsAsync(time.run(again.ready()), { message: /with another owner/ });
});

test('the leader is killed in the middle: nothing is lost, nothing is there twice', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { cluster, time, ownerOn, leader } = await world({ seed, conditions: () => ({ delayMs: 2 }) });
    const one = ownerOn('one');
    const owner = one.own(5n);
    await time.run(owner.ready());
    const notes: (string | number)[] = [];
    let asked = 0;
    const killed = leader();
    while (asked < 200) {
      ask(owner, add('a'), notes);
      asked += 1;
      if (asked === 100) killed.kill('kill');
      await time.runFor(1);
    }
    await time.runUntil(() => notes.length === asked, 60_000);
    t.deepEqual(
      notes,
      Array.from({ length: asked }, (_, i) => i + 1),
      `seed ${seed}`,
    );
    const second = ownerOn('two').own(6n);
    await time.run(second.ready());
    t.is(await time.run(answer(second, 'a')), asked);
    t.is(cluster.nodes.filter(({ isRunning }) => isRunning).length, 2);
  }
});

test('a reply that is lost is asked for again, and the batch lands once', async (t) => {
  let isCut = false;
  const { cluster, time, ownerOn, leader, partitionOn } = await world({
    conditions: (from, to) => (isCut && from.startsWith('node') && to === 'one' ? 'hold' : { delayMs: 1 }),
  });
  const one = ownerOn('one');
  const owner = one.own(5n);
  await time.run(owner.ready());
  isCut = true;
  const before = partitionOn(leader()).log.logEnd;
  const notes = ask(owner, add('a'));
  await time.runFor(2_000);
  t.is(partitionOn(leader()).log.logEnd, (before + 1n) as typeof before, 'it is written');
  t.deepEqual(notes, []);
  cluster.network.cut('one', leader().address);
  isCut = false;
  await time.runUntil(() => notes.length === 1);
  t.deepEqual(notes, [1]);
  t.is(partitionOn(leader()).log.logEnd, (before + 1n) as typeof before, 'once');
});

test('a shard that is lost says of each request whether it may be written', async (t) => {
  let isCut = false;
  const { time, ownerOn, leader, partitionOn } = await world({
    conditions: (from, to) => (isCut && from.startsWith('node') && to === 'one' ? 'hold' : { delayMs: 1 }),
  });
  const owner = ownerOn('one').own(5n);
  await time.run(owner.ready());
  isCut = true;
  const written = ask(owner, add('a'));
  const before = partitionOn(leader()).log.logEnd;
  await time.runUntil(() => partitionOn(leader()).log.logEnd > before);
  const unsent = ask(owner, add('b'));
  const read = ask(owner, get('a'));
  owner.stop();
  t.deepEqual([written, unsent, read].flat(), [
    'LEADERSHIP_LOST UNKNOWN',
    'NOT_SERVING NOT_WRITTEN',
    'NOT_SERVING NOT_WRITTEN',
  ]);
});

test('a queue that is full refuses, and goes on when the log does', async (t) => {
  const { cluster, time, ownerOn, leader } = await world();
  const limits = { ...defaultShardLimits, waitingRequestsMax: 10 };
  const owner = ownerOn('one').own(5n, { limits });
  await time.run(owner.ready());
  const followers = cluster.nodes.filter((node) => node !== leader());
  for (const node of followers) node.pause();
  const notes: (string | number)[] = [];
  for (let i = 0; i < 10; i += 1) ask(owner, add('a'), notes);
  t.throws(() => ask(owner, add('a')), { message: /queue of shards\/0 of one is full/ });
  await time.runFor(3_000);
  t.deepEqual(notes, []);
  for (const node of followers) node.resume();
  await time.runUntil(() => notes.length === 10, 60_000);
  ask(owner, add('a'), notes);
  await time.runUntil(() => notes.length === 11);
  t.is(notes[10], 11);
});

test('answers that are large fill the queue as records do', async (t) => {
  const { time, ownerOn } = await world();
  const owner = ownerOn('one').own(5n);
  await time.run(owner.ready());
  const notes: (string | number)[] = [];
  const large = { kind: 'get', key: 'a', bytes: defaultShardLimits.waitingBytesMax / 2 } as const;
  for (let i = 0; i < 2; i += 1) owner.submit(large, () => notes.push(i), { isFresh: true });
  t.throws(() => ask(owner, add('a')), { message: /is full/ });
  await time.runUntil(() => notes.length === 2);
  ask(owner, add('a'), notes);
  await time.runUntil(() => notes.length === 3);
});

test('a drain answers what waits, takes nothing new, and then the shard is free', async (t) => {
  const { time, ownerOn } = await world();
  const one = ownerOn('one');
  const owner = one.own(5n);
  await time.run(owner.ready());
  const notes = ask(owner, add('a'));
  const drained = owner.drain();
  t.throws(() => ask(owner, add('a')), { message: /is draining/ });
  await time.run(drained);
  t.deepEqual(notes, [1]);
  t.deepEqual(one.lost, ['NOT_SERVING']);
  await time.run(owner.drain());
  t.is(one.lost.length, 1);
});

test('a machine that breaks takes the shard down, and nothing of what it half did is seen', async (t) => {
  const { time, ownerOn } = await world();
  const one = ownerOn('one');
  const owner = one.own(5n);
  await time.run(owner.ready());
  t.deepEqual(ask(owner, { kind: 'break' }), ['INTERNAL UNKNOWN']);
  t.deepEqual(one.lost, ['INTERNAL']);
  const second = one.own(6n);
  await time.run(second.ready());
  t.is(one.states[1]?.has('half'), false);
});

test('ticks come when the machine is due, and their frames leave when they are committed', async (t) => {
  const { time, ownerOn } = await world();
  const one = ownerOn('one');
  const owner = one.own(5n, { tickEveryMs: 5_000 });
  await time.run(owner.ready());
  await time.runFor(4_000);
  t.deepEqual(one.frames, []);
  await time.runFor(2_000);
  t.deepEqual(one.frames, ['ticks=1']);
});

test('a shard that has written nothing for so long that its producer is forgotten writes on', async (t) => {
  const { time, ownerOn } = await world();
  const owner = ownerOn('one').own(5n);
  await time.run(owner.ready());
  const notes = ask(owner, add('a'));
  await time.runUntil(() => notes.length === 1);
  time.jumpWall(2 * 24 * 3_600_000);
  await time.runFor(10 * 60_000);
  ask(owner, add('a'), notes);
  await time.runUntil(() => notes.length === 2);
  t.deepEqual(notes, [1, 2]);
});
