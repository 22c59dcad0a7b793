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
  'connect',
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
  'settle',
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
const clientsMax = 14;

/** What happened to a group whose members want all the same, or each something else. */
export function runHistory(
  steps: readonly Action[],
  options: { mixed: boolean; intervalMs: number },
  machines?: Machines,
): ModelShard {
  const topics = [topicOf('orders', 4), topicOf('payments', 3)];
  const model = new ModelShard(topics, { assignmentIntervalMs: options.intervalMs }, machines);
  for (const step of steps) {
    take(model, step, options.mixed);
    model.check();
    if (step.how % 8 === 0) model.checkReplay();
  }
  model.checkReplay();
  return model;
}

function take(model: ModelShard, { act, who, how }: Action, mixed: boolean): void {
  const wanted = mixed ? names.filter((_, i) => ((how + 1) >> i) % 2 === 1) : names;
  if (act === 'join' || act === 'join-static') {
    if (model.running.length >= clientsMax) return;
    const static_ = act === 'join-static';
    model.join(`m${who % 8}`, wanted, static_ ? instanceId(`i${how % 3}`) : undefined);
    return;
  }
  const { running } = model;
  const client = running[who % Math.max(1, running.length)];
  if (client !== undefined && ofClient(model, client, { act, who, how }, wanted)) return;
  switch (act) {
    case 'commit':
      for (let i = 0; i <= how % 4; i += 1) model.commit();
      return;
    case 'wait':
      return model.pass((how + 1) * 60);
    case 'move':
    case 'compact':
      return model.move(Math.min(model.pending, how % 6), act === 'compact');
    case 'topics':
      return model.setTopics([
        topicOf('orders', 4 + (how % 3)),
        topicOf('payments', 3),
        ...(how % 2 ? [topicOf('refunds', 2)] : []),
      ]);
    case 'settle':
      return model.settle();
    default:
  }
}

/** True: it was something that a client does. */
function ofClient(model: ModelShard, client: MemberClient, { act, how }: Action, wanted: readonly string[]): boolean {
  const { now } = model;
  if (act === 'deliver' || act === 'deliver-twice') {
    for (let i = 0; i <= how % 3; i += 1) model.deliver(client, act === 'deliver-twice');
  } else if (act === 'wake') model.wake(client);
  else if (act === 'kill') client.end('killed');
  else if (act === 'break') client.disconnect();
  else if (
    [
      'receive',
      'release',
      'ack-unchanged',
      'process',
      'commit-offsets',
      'ping',
      'connect',
      'pause',
      'leave',
      'leave-coming-back',
      'update',
    ].includes(act)
  ) {
    if (!client.isPaused) ofRunning(model, client, act, wanted, now);
  } else return false;
  return true;
}

function ofRunning(
  model: ModelShard,
  client: MemberClient,
  act: Action['act'],
  wanted: readonly string[],
  now: number,
): void {
  // Whoever acts looks at its clock first.
  if (!client.worksAt(now)) return client.end('expired');
  switch (act) {
    case 'receive':
      return model.receive(client);
    case 'release':
      return client.release(now);
    case 'ack-unchanged':
      return client.ackUnchanged(now);
    case 'process':
      return client.process(now);
    case 'commit-offsets':
      return client.commit([...client.owned.keys()], now);
    case 'ping':
      return client.ping(now);
    case 'connect':
      return client.hasSentLeave ? undefined : model.connect(client);
    case 'pause':
      client.isPaused = true;
      return;
    case 'leave':
    case 'leave-coming-back':
      return client.hasSentLeave ? undefined : client.leave(act === 'leave-coming-back', now);
    case 'update': {
      const { stream, member } = client;
      if (stream === undefined || client.hasSentLeave) return;
      client.topics = wanted;
      return client.send(
        { kind: 'update', group, member, stream, topics: wanted, regex: undefined, assignor: undefined },
        now,
      );
    }
    default:
  }
}

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
