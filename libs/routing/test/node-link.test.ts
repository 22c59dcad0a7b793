import { type LogFields, MoldauError, nodeEpoch, nodeId, offset, silentLogger, silentMeter } from '@moldau/kernel';
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  ControllerService,
  type NodeSessionRequest,
  type NodeSessionResponse,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import { type LinkedNode, NodeLink } from '@moldau/routing';
import { type Conditions, type Handlers, serve } from '@moldau/rpc';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { world } from './watched-address.ts';

type Said = Pick<NodeSessionRequest, 'clusterId' | 'ready' | 'leaving' | 'highestVersion' | 'lostShards' | 'reports'>;

/** A node at the addresses `c1` and `c2`, of which the first has handlers of a test, and the second takes every node. */
function linked(first: Handlers<typeof ControllerService>, node: Partial<LinkedNode> = {}) {
  const w = world();
  const applied: NodeSessionResponse[] = [];
  const said: Said[] = [];
  const errors: { readonly message: string; readonly fields: LogFields | undefined }[] = [];
  const taking: Handlers<typeof ControllerService> = {
    registerNode: async () => ({ clusterId: 'c', nodeEpoch: 5n, sessionTimeoutMs: 9_000 }),
    nodeSession: async (session) => {
      session.send({ version: 7n, snapshot: true });
      for await (const one of session.incoming) said.push(one);
      session.end();
    },
  };
  w.network.listen('c1', [serve(ControllerService, { ...taking, ...first })], w.ports);
  w.network.listen('c2', [serve(ControllerService, taking)], w.ports);
  const registration = {
    nodeId: nodeId(3),
    role: NodeRole.GROUP_COORDINATOR,
    clusterId: undefined,
    incarnation: 'i',
    address: 'node-3',
    rack: '',
    programVersion: 'test',
    highestVersion: 0n,
  };
  const link = new NodeLink(
    ['c1', 'c2'],
    registration,
    {
      registered: async () => {},
      apply: async (message) => {
        applied.push(message);
        return [];
      },
      status: () => ({}),
      ...node,
    },
    {
      ...w.ports,
      dialer: w.network.dialer('node-3'),
      logger: { ...silentLogger, error: (message, fields) => errors.push({ message, fields }) },
    },
  );
  return { ...w, link, applied, said, errors, ended: link.run() };
}

const fails = (reason: 'WRONG_CLUSTER' | 'STALE_NODE' | 'NOT_SERVING') => async (): Promise<never> => {
  throw new MoldauError(reason, 'so it is');
};

test('a coordinator that falls silent is given up, though its stream looks alive', async (t) => {
  let isMute = false;
  const conditions: Conditions = (from) => (isMute && from === 'coordinator-1' ? 'hold' : { delayMs: 0 });
  const cluster = new SimulatedCluster({ seed: 1, conditions });
  const { time } = cluster;
  await time.run(cluster.coordinator().start());
  await time.run(cluster.node().start());
  // The farewell of the old process is held, and never comes: its stream stays half open.
  isMute = true;
  cluster.coordinator().kill();
  isMute = false;
  await time.run(cluster.coordinator().start());
  const client = cluster.client('app');
  const before = time.monotonicMs();
  await time.run(client.admin.createTopic({ name: 't' }));
  await time.run(client.producer({ topic: 't' }).send({ value: 'v' }));
  t.true(time.monotonicMs() - before < 7_000, `a new topic had no leader for ${time.monotonicMs() - before} ms`);
});

for (const [what, machines] of [
  ['node', ({ nodes }) => nodes],
  ['group coordinator', ({ groupCoordinators }) => groupCoordinators],
] as const satisfies [string, (cluster: SimulatedCluster) => readonly { stop(): Promise<void> }[]][]) {
  test(`a ${what} that stops waits until its good-bye was heard, and no longer than a second`, async (t) => {
    let isMute = false;
    const conditions: Conditions = (from) => (isMute && from === 'coordinator-1' ? 'hold' : { delayMs: 1 });
    const cluster = new SimulatedCluster({ seed: 1, nodes: 2, groupCoordinators: 2, conditions });
    const { time } = cluster;
    await time.run(cluster.start());
    const took = async (nth: number): Promise<number> => {
      const before = time.monotonicMs();
      await time.run(machines(cluster)[nth - 1]?.stop() ?? Promise.reject());
      return time.monotonicMs() - before;
    };
    const heard = await took(1);
    t.true(heard < 500, `${heard} ms`);
    isMute = true;
    const unheard = await took(2);
    t.true(unheard >= 1_000 && unheard < 1_500, `${unheard} ms`);
  });
}

test('a node that has seen newer metadata takes none of a store that was restored, and goes on serving', async (t) => {
  const cluster = new SimulatedCluster({ seed: 1, coordinators: 2 });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app');
  const topic = await time.run(client.admin.createTopic({ name: 't' }));
  const producer = client.producer({ topic: 't' });
  await time.run(producer.send({ value: 'before' }));
  for (const coordinator of cluster.coordinators) coordinator.kill();
  const older = serve(ControllerService, {
    nodeSession: async (session) => {
      session.send({ version: 1n, snapshot: true, tombstones: [topic.id] });
      for await (const _ of session.incoming);
    },
  });
  const world = { clock: time, timers: time, random: cluster.random, logger: silentLogger, meter: silentMeter };
  for (const { address } of cluster.coordinators) cluster.network.listen(address, [older], world);
  await time.runFor(10_000);
  t.is((await time.run(producer.send({ value: 'after' }))).offset, offset(1n));
});

test('a node says how it is with everything that it says, and what it has seen; its last word is that it leaves', async (t) => {
  const lostShards = [{ index: 4, epoch: 2n }];
  const { time, link, said, applied, ended } = linked({}, { status: () => ({ lostShards }) });
  await time.runFor(1_500);
  t.is(applied.length, 1);
  t.deepEqual(
    said.map(({ clusterId, ready, highestVersion, leaving }) => [clusterId, ready, highestVersion, leaving]),
    [
      ['c', false, 0n, false],
      ['', true, 7n, false],
      ['', false, 7n, false],
    ],
  );
  for (const { lostShards } of said) t.like(lostShards, [{ index: 4, epoch: 2n }]);
  link.stop();
  await time.run(ended);
  t.deepEqual(
    said.map(({ leaving }) => leaving),
    [false, false, false, true],
  );
});

test('a coordinator that has older metadata is not believed: the next one is asked', async (t) => {
  let sessions = 0;
  const older: Handlers<typeof ControllerService> = {
    nodeSession: async (session) => {
      sessions += 1;
      session.send({ version: 7n, snapshot: true });
      session.send({ version: 6n, tombstones: ['t'] });
      for await (const _ of session.incoming);
    },
  };
  const { time, link, said, applied, ended } = linked(older);
  await time.runFor(900);
  t.is(sessions, 1);
  t.deepEqual(
    applied.map(({ version, tombstones }) => [version, tombstones]),
    [
      [7n, []],
      [7n, []],
    ],
  );
  t.deepEqual([said[0]?.clusterId, said[0]?.highestVersion], ['c', 7n], 'the next one hears what was seen');
  link.stop();
  await time.run(ended);
});

test('a node that a coordinator of another cluster refuses ends, unless it has its cluster: then it asks the next one', async (t) => {
  const before = linked({ registerNode: fails('WRONG_CLUSTER') });
  await t.throwsAsync(before.time.run(before.ended), { name: 'WRONG_CLUSTER' });
  t.is(before.link.nodeEpoch, undefined);
  const after = linked({ nodeSession: fails('WRONG_CLUSTER') });
  await after.time.runFor(900);
  t.deepEqual(
    after.errors.map(({ message }) => message),
    ['a coordinator is of another cluster: it does not belong into this list'],
  );
  t.true(after.said.length > 0, 'the next one took it');
  after.link.stop();
  await after.time.run(after.ended);
});

test('a node whose place another start has taken ends', async (t) => {
  const fenced: Handlers<typeof ControllerService> = {
    nodeSession: async (session) => {
      session.send({ version: 7n, fenced: 'replaced by a newer one' });
      for await (const _ of session.incoming);
    },
  };
  for (const first of [fenced, { registerNode: fails('STALE_NODE') }, { nodeSession: fails('STALE_NODE') }]) {
    const { time, ended, said, applied } = linked(first);
    await t.throwsAsync(time.run(ended), { name: 'STALE_NODE' });
    t.deepEqual([said, applied], [[], []]);
  }
});

test('what is asked of the coordinator is asked of the active one, by a node that is registered', async (t) => {
  const { time, link, ended } = linked({ registerNode: fails('NOT_SERVING') });
  t.throws(() => link.requireRegistered(), { name: 'NOT_SERVING' });
  await time.runFor(900);
  const { channel, sender } = link.requireRegistered();
  t.deepEqual([channel.address, sender], ['c2', { nodeId: nodeId(3), nodeEpoch: nodeEpoch(5n) }]);
  link.stop();
  await time.run(ended);
});
