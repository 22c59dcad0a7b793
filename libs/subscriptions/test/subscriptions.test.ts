import type { MessageInitShape } from '@bufbuild/protobuf';
import { hasReason, silentLogger, silentMeter, sleep } from '@moldau/kernel';
import {
  type SubscribeRequestSchema,
  type SubscribeResponse,
  SubscriptionService,
} from '@moldau/proto/moldau/group/v1/subscription_pb';
import { fromWireError } from '@moldau/rpc';
import { Collected, SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { Subscriptions } from '../src/index.ts';

const partitions = 4;

async function world(delayMs = 0) {
  const cluster = new SimulatedCluster({ seed: 12, nodes: 1, groupCoordinators: 1, conditions: () => ({ delayMs }) });
  const { time, network, random } = cluster;
  await time.run(cluster.start());
  const app = cluster.client('app');
  await time.run(app.admin.createTopic({ name: 't', partitions }));
  await time.runUntil(() => cluster.groupCoordinator().service.servedShards.length === 16, 60_000);
  const ports = { clock: time, timers: time, random, logger: silentLogger };
  const subscriptions = new Subscriptions(cluster.client('edge'), ports);
  network.listen('edge', [subscriptions.service()], { ...ports, meter: silentMeter });
  const produce = async (count: number, bytes = 10): Promise<void> => {
    await using producer = app.producer({ topic: 't', linger: 0 });
    for (let i = 0; i < count; i += 1)
      await producer.push({ value: `${i}`.padEnd(bytes, ' '), partition: i % partitions });
  };
  return {
    cluster,
    time,
    app,
    subscriptions,
    produce: (count: number, bytes?: number) => time.run(produce(count, bytes)),
  };
}

/** What it asks for besides. */
interface Start {
  readonly group?: string;
  readonly topics?: string[];
  readonly topicRegex?: string;
  readonly assignor?: string;
  readonly windowBytes?: number;
}

/** A client that knows one stream. */
class Subscriber {
  readonly stream: Collected<MessageInitShape<typeof SubscribeRequestSchema>, SubscribeResponse>;

  constructor({ network }: SimulatedCluster, start: Start = {}) {
    const channel = network.dialer('thin').dial('edge', 'data');
    this.stream = new Collected(channel.session(SubscriptionService.method.subscribe));
    const from = { at: { case: 'earliest', value: {} } } as const;
    this.stream.send({ frame: { case: 'start', value: { group: 'g', topics: ['t'], from, ...start } } });
  }

  get values(): number[] {
    return this.stream
      .of('records')
      .flatMap(({ value }) => value.records.map(({ value: bytes }) => Number(Buffer.from(bytes ?? []).toString())))
      .sort((a, b) => a - b);
  }

  get owned(): number[] {
    const owned = new Set<number>();
    for (const frame of this.stream.frames) {
      if (frame.case === 'assigned') for (const { partition } of frame.value.partitions) owned.add(partition);
      if (frame.case === 'revoked' || frame.case === 'lost')
        for (const { partition } of frame.value.partitions) owned.delete(partition);
    }
    return [...owned].sort();
  }

  /** Says that everything that came is handled. */
  ack(): void {
    const ends = new Map<number, bigint>();
    for (const { value } of this.stream.of('records')) ends.set(value.partition, value.nextOffset);
    for (const [partition, nextOffset] of ends)
      this.stream.send({ frame: { case: 'ack', value: { topic: 't', partition, nextOffset } } });
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('what is acknowledged is committed; what is not comes again when the stream has ended', async (t) => {
  const { cluster, time, app, produce } = await world();
  await produce(40);
  const first = new Subscriber(cluster);
  await time.runUntil(() => first.values.length === 40, 30_000);
  t.deepEqual(first.values, numbers(40));
  first.ack();
  await time.runUntil(() => first.stream.of('committed').length > 0, 10_000);
  await produce(40);
  await time.runUntil(() => first.values.length === 80, 30_000);
  first.stream.end();
  await time.runUntil(() => first.stream.isOver, 30_000);
  t.is(first.stream.error, undefined);
  t.deepEqual((await time.run(app.admin.describeGroup('g'))).members, [], 'the end of the stream leaves');
  const second = new Subscriber(cluster);
  await time.runUntil(() => second.values.length === 40, 30_000);
  t.deepEqual(second.values, numbers(40));
  second.stream.cancel();
});

test('no more comes than the window takes, until it is acknowledged', async (t) => {
  const { cluster, time, produce } = await world();
  await produce(100, 1_000);
  const subscriber = new Subscriber(cluster, { windowBytes: 10_000 });
  await time.runUntil(() => subscriber.values.length > 0, 30_000);
  const later = time.monotonicMs() + 5_000;
  await time.runUntil(() => time.monotonicMs() >= later, 10_000);
  t.is(subscriber.values.length, 9);
  while (subscriber.values.length < 100) {
    const before = subscriber.values.length;
    subscriber.ack();
    await time.runUntil(() => subscriber.values.length > before, 30_000);
  }
  t.deepEqual(subscriber.values, numbers(100));
  subscriber.stream.cancel();
});

test('a second subscriber gets its share when the first one has acknowledged it', async (t) => {
  const { cluster, time, produce } = await world();
  await produce(40);
  const first = new Subscriber(cluster);
  await time.runUntil(() => first.values.length === 40, 30_000);
  const second = new Subscriber(cluster);
  await time.runUntil(() => first.stream.of('revoked').length > 0, 30_000);
  const later = time.monotonicMs() + 3_000;
  await time.runUntil(() => time.monotonicMs() >= later, 10_000);
  t.deepEqual(second.owned, [], 'it waits for what the first one has in hand');
  first.ack();
  await time.runUntil(() => second.owned.length === 2 && first.owned.length === 2, 30_000);
  await produce(40);
  await time.runUntil(() => first.values.length + second.values.length === 80, 30_000);
  t.is(second.values.length, 20, 'nothing came twice');
  first.stream.cancel();
  second.stream.cancel();
});

test('every acknowledgement is committed, one that comes while another is on its way too; an older one says nothing', async (t) => {
  const { cluster, time, app, produce } = await world(20);
  await produce(80);
  const subscriber = new Subscriber(cluster);
  await time.runUntil(() => subscriber.values.length === 80, 30_000);
  const ack = (nextOffset: bigint) =>
    subscriber.stream.send({ frame: { case: 'ack', value: { topic: 't', partition: 0, nextOffset } } });
  const committed = () =>
    subscriber.stream.of('committed').flatMap(({ value }) => value.positions.map((at) => at.nextOffset));
  for (const [i, nextOffset] of [2n, 5n, 9n, 4n, -1n].entries()) {
    ack(nextOffset);
    const later = time.monotonicMs() + 10 * (i + 1);
    await time.runUntil(() => time.monotonicMs() >= later, 10_000);
  }
  await time.runUntil(() => committed().includes(9n), 5_000);
  const later = time.monotonicMs() + 1_000;
  await time.runUntil(() => time.monotonicMs() >= later, 10_000);
  t.is(committed().at(-1), 9n);
  t.is(subscriber.stream.of('commitFailed').length, 1, 'below zero there is nothing');
  const { positions } = await time.run(app.admin.describeGroup('g'));
  t.is(positions.find(({ partition }) => partition === 0)?.committed, 9n);
  subscriber.stream.cancel();
});

test('a subscriber that acknowledges all the time gives up what it is asked to at once', async (t) => {
  const { cluster, time, app, produce } = await world(10);
  await produce(40);
  const first = new Subscriber(cluster);
  await time.runUntil(() => first.values.length === 40, 30_000);
  first.ack();
  let isOver = false;
  const producer = app.producer({ topic: 't', linger: 0 });
  const writing = (async () => {
    for (let i = 0; !isOver; i += 1) {
      await producer.push({ value: `${i}`, partition: i % partitions });
      await sleep(time, 5);
    }
  })();
  const acking = (async () => {
    for (let seen = 0; !isOver; await sleep(time, 2)) {
      const count = first.stream.of('records').length;
      if (count > seen) first.ack();
      seen = count;
    }
  })();
  const beganAt = time.monotonicMs();
  const second = new Subscriber(cluster);
  await time.runUntil(() => second.owned.length === 2, 20_000);
  t.true(time.monotonicMs() - beganAt < 2_000, `${time.monotonicMs() - beganAt} ms`);
  isOver = true;
  await time.run(Promise.all([writing, acking, producer.close()]));
  t.is(first.stream.of('commitFailed').length, 0);
  first.stream.cancel();
  second.stream.cancel();
});

test('whoever does not start is ended, and takes nobody’s place', async (t) => {
  const { cluster, time, produce } = await world();
  await produce(4);
  const idle = Array.from({ length: 1_100 }, () => {
    const channel = cluster.network.dialer('idle').dial('edge', 'data');
    return new Collected(channel.session(SubscriptionService.method.subscribe));
  });
  const subscriber = new Subscriber(cluster);
  await time.runUntil(() => subscriber.values.length === 4, 9_000);
  await time.runUntil(() => idle.every(({ isOver }) => isOver), 15_000);
  t.true(idle.every(({ error }) => hasReason(error, 'INVALID_REQUEST')));
  t.false(subscriber.stream.isOver);
  subscriber.stream.cancel();
});

test('what can not be is refused', async (t) => {
  const { cluster, time, produce } = await world();
  const refusal = async (start: Start): Promise<unknown> => {
    const { stream } = new Subscriber(cluster, start);
    await time.runUntil(() => stream.isOver, 30_000);
    return stream.error;
  };
  t.true(hasReason(await refusal({ group: '' }), 'INVALID_REQUEST'));
  t.true(hasReason(await refusal({ topics: [] }), 'INVALID_REQUEST'));
  t.true(hasReason(await refusal({ topicRegex: '(' }), 'INVALID_REGEX'));
  t.true(hasReason(await refusal({ assignor: 'best' }), 'INVALID_REQUEST'));
  t.true(hasReason(await refusal({ windowBytes: 2 ** 30 }), 'INVALID_REQUEST'));
  await produce(4);
  const subscriber = new Subscriber(cluster);
  await time.runUntil(() => subscriber.values.length === 4, 30_000);
  subscriber.stream.send({ frame: { case: 'ack', value: { topic: 't', partition: 0, nextOffset: 7n } } });
  await time.runUntil(() => subscriber.stream.of('commitFailed').length === 1, 10_000);
  const [failed] = subscriber.stream.of('commitFailed');
  t.true(failed !== undefined && hasReason(fromWireError(failed.value), 'INVALID_REQUEST'));
  subscriber.stream.cancel();
});
