import { assert, type PartitionKey } from '@moldau/kernel';
import fc from 'fast-check';
import { instanceId } from '../../src/index.ts';
import { group, type MemberClient, sessionTimeoutMs } from './member-client.ts';
import { keyOf, type Machines, ModelShard, topicOf } from './model-shard.ts';

const acts = [
  'join',
  'join-static',
  'deliver',
  'deliver',
  'deliver',
  'deliver-twice',
  'commit',
  'commit',
  'commit',
  'receive',
  'receive',
  'receive',
  'release',
  'release',
  'ack-unchanged',
  'ack-unchanged',
  'process',
  'commit-offsets',
  'ping',
  'ping',
  'break',
  'connect',
  'reconnect',
  'reconnect',
  'reconnect',
  'pause',
  'wake',
  'wait',
  'wait',
  'leave',
  'leave-coming-back',
  'kill',
  'move',
  'compact',
  'topics',
  'update',
  'settle',
  'flow',
  'flow',
  'flow',
  'flow',
] as const;

export interface Action {
  readonly act: (typeof acts)[number];
  readonly who: number;
  readonly how: number;
}

/** What may happen, in any order. */
export const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.record({ act: fc.constantFrom(...acts), who: fc.nat({ max: 63 }), how: fc.nat({ max: 63 }) }),
  { minLength: 40, maxLength: 250, size: 'max' },
);

const names = ['orders', 'payments', 'refunds'];
const clientsMax = 6;

/** What happened to a group whose members want all the same, or each something else. */
export function runHistory(
  steps: readonly Action[],
  options: { mixed: boolean; intervalMs: number },
  machines?: Machines,
): ModelShard {
  const topics = [topicOf('orders', 4), topicOf('payments', 3)];
  const model = new ModelShard(topics, { assignmentIntervalMs: options.intervalMs }, machines);
  for (const step of steps) {
    const wanted = options.mixed ? names.filter((_, i) => ((step.how + 1) >> i) % 2 === 1) : names;
    carryOut[step.act](model, step, wanted);
    model.check();
    if (step.how % 16 === 0) model.checkReplay();
  }
  model.checkReplay();
  return model;
}

type Act = (model: ModelShard, step: Action, wanted: readonly string[]) => void;
/** Something that a client does unless it sleeps. Whoever acts looks at its clock first. */
const awake =
  (act: (client: MemberClient, model: ModelShard, how: number, wanted: readonly string[]) => void): Act =>
  (model, { who, how }, wanted) => {
    const client = model.running[who % Math.max(1, model.running.length)];
    if (client === undefined || client.isPaused) return;
    if (client.worksAt(model.now)) act(client, model, how, wanted);
    else client.end('expired');
  };
/** Something that happens to a client. */
const to =
  (act: (client: MemberClient, model: ModelShard, how: number) => void): Act =>
  (model, { who, how }) => {
    const client = model.running[who % Math.max(1, model.running.length)];
    if (client !== undefined) act(client, model, how);
  };
const join =
  (isStatic: boolean): Act =>
  (model, { who, how }, wanted) => {
    if (model.running.length >= clientsMax) return;
    model.join(`m${who % 6}`, wanted, isStatic ? instanceId(`i${how % 3}`) : undefined);
  };
const deliver = (isTwice: boolean): Act =>
  to((client, model, how) => {
    for (let i = 0; i <= how % 3; i += 1) model.deliver(client, isTwice);
  });
const leave = (comingBack: boolean): Act =>
  awake((client, { now }) => {
    if (!client.hasSentLeave) client.leave(comingBack, now);
  });
const move =
  (isCompacted: boolean): Act =>
  (model, { how }) =>
    model.move(Math.min(model.pending, how % 6), isCompacted);

const carryOut: Readonly<Record<Action['act'], Act>> = {
  join: join(false),
  'join-static': join(true),
  deliver: deliver(false),
  'deliver-twice': deliver(true),
  commit: (model, { how }) => {
    for (let i = 0; i <= how % 4; i += 1) model.commit();
  },
  receive: awake((client, model, how) => {
    for (let i = 0; i <= how % 3; i += 1) model.receive(client);
  }),
  release: awake((client, { now }) => client.release(now)),
  'ack-unchanged': awake((client, { now }) => client.ackUnchanged(now)),
  process: awake((client, { now }) => client.process(now)),
  'commit-offsets': awake((client, { now }) => client.commit([...client.owned.keys()], now)),
  ping: (model) => {
    for (const client of model.running) if (!client.isPaused && client.worksAt(model.now)) client.ping(model.now);
  },
  break: to((client) => client.disconnect()),
  connect: awake((client, model) => {
    if (!client.hasSentLeave) model.connect(client);
  }),
  // Whoever has lost its stream opens another one.
  reconnect: (model) => {
    for (const client of model.running) {
      const isLost = client.stream === undefined && !client.isPaused && !client.hasSentLeave;
      if (isLost && client.worksAt(model.now)) model.connect(client);
    }
  },
  pause: awake((client) => {
    client.isPaused = true;
  }),
  wake: to((client, model) => model.wake(client)),
  // Mostly short: sessions are to outlive a few steps.
  wait: (model, { how }) => model.pass(how < 60 ? how * 10 : 4_000),
  leave: leave(false),
  'leave-coming-back': leave(true),
  kill: to((client, _, how) => {
    if (how % 3 === 0) client.end('killed');
  }),
  move: move(false),
  compact: move(true),
  topics: (model, { how }) => {
    const refunds = how % 2 === 1 ? [topicOf('refunds', 2)] : [];
    model.setTopics([topicOf('orders', 4 + (how % 3)), topicOf('payments', 3), ...refunds]);
  },
  update: awake((client, { now }, _, wanted) => {
    const { stream, member } = client;
    if (stream === undefined || client.hasSentLeave) return;
    client.topics = wanted;
    client.send({ kind: 'update', group, member, stream, topics: wanted, regex: undefined, assignor: undefined }, now);
  }),
  settle: (model) => model.settle(),
  flow: (model) => model.flow(),
};

/** Faults are over: everybody who lives has what it is to have, together they have all, and nobody else is left. */
export function recover(model: ModelShard): void {
  for (const client of model.running) {
    model.wake(client);
    if (client.over === undefined && client.hasSentLeave) client.end('left');
  }
  for (let i = 0; i < 12; i += 1) {
    model.settle();
    for (const client of model.running) client.ping(model.now);
    model.settle();
    model.pass(sessionTimeoutMs / 4);
  }
  model.settle();
  model.checkReplay();
  const state = model.live.groups.get(group);
  const members = new Set(model.running.map(({ member }) => String(member)));
  assert(
    [...(state?.members.keys() ?? [])].every((member) => members.has(member)),
    'whoever is gone is no member',
  );
  const owned = new Map<PartitionKey, MemberClient>();
  for (const client of model.running) {
    assert(state?.members.has(client.member) === true, `${client.member} lives, and is a member`);
    const target = state.target(client.member);
    assert(client.owned.size === target.size, `${client.member} has what it is to have`);
    for (const partition of client.owned.keys()) {
      assert(target.has(partition), `${client.member} has nothing else`);
      owned.set(partition, client);
    }
  }
  for (const { name, partitions } of model.topics) {
    if (!model.running.some(({ topics }) => topics.includes(name))) continue;
    for (let i = 0; i < partitions; i += 1) assert(owned.has(keyOf(name, i)), `somebody has ${keyOf(name, i)}`);
  }
}
