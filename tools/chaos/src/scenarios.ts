import { setTimeout as pause } from 'node:timers/promises';
import type { Moldau } from '@moldau/client';
import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';

/** What a scenario works with. */
export interface Scene {
  readonly cluster: Cluster;
  readonly client: Moldau;
  readonly load: Load;
  readonly say: (text: string) => void;
}

/** Something that fails, and what must hold meanwhile. Throws when it does not. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  run(scene: Scene): Promise<void>;
}

let topics = 0;

/** How long it takes until a topic can be created. */
async function creation(client: Moldau): Promise<number> {
  const since = performance.now();
  topics += 1;
  await client.admin.createTopic({ name: `made-${topics}` });
  return Math.round(performance.now() - since);
}

function atMost(what: string, found: number, bound: number, say: Scene['say']): void {
  say(`  ${what}: ${found} (at most ${bound})`);
  if (found > bound) throw new Error(`${what} took ${found}, more than ${bound}`);
}

/** Writing and reading went on: for a partition to be quiet for so long is the machine's doing, not the cluster's. */
const quietMs = 1_500;

function wentOn({ load, say }: Pick<Scene, 'load' | 'say'>): void {
  const { ackMs, readMs } = load.gaps;
  atMost('longest without an ack of some partition, ms', ackMs, quietMs, say);
  atMost('longest without a record of some partition, ms', readMs, quietMs, say);
  load.forget();
}

const coordinatorKilled: Scenario = {
  name: 'coordinator-killed',
  what: 'the active coordinator dies by SIGKILL',
  async run(scene) {
    const { active } = await scene.cluster.offices(scene.client);
    scene.load.forget();
    await active.kill();
    atMost('until a topic could be created, ms', await creation(scene.client), 10_000, scene.say);
    await pause(2_000);
    wentOn(scene);
    await active.start();
  },
};

const coordinatorPaused: Scenario = {
  name: 'coordinator-paused',
  what: 'the active coordinator stands still (SIGSTOP), and goes on when another one has taken over',
  async run(scene) {
    const { cluster, client, load, say } = scene;
    const { active, standby } = await cluster.offices(client);
    load.forget();
    active.pause();
    atMost('until a topic could be created, ms', await creation(client), 10_000, say);
    await pause(15_000);
    wentOn(scene);
    const before = await cluster.revision();
    active.resume();
    await pause(8_000);
    // Nothing is written in a quiet cluster: whatever is, is of the one that woke up.
    atMost("the store's writes after it woke up", Number((await cluster.revision()) - before), 0, say);
    const { active: now } = await cluster.offices(client);
    if (now !== standby) throw new Error(`${now.name} is active, and ${standby.name} had taken over`);
    wentOn(scene);
  },
};

const nodeKilled: Scenario = {
  name: 'node-killed',
  what: 'a storage node dies by SIGKILL, others lead what it led, and it comes back after five seconds',
  async run({ cluster, load, say }) {
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('there is a node');
    load.forget();
    await node.kill();
    await pause(5_000);
    // Its address refuses connections: nobody waits for its session to run out.
    atMost('longest without an ack of some partition while it was gone, ms', load.gaps.ackMs, 3_000, say);
    load.forget();
    await node.start();
    await pause(2_000);
    wentOn({ load, say });
  },
};

const etcdStopped: Scenario = {
  name: 'etcd-stopped',
  what: 'etcd stands still for 60 s',
  async run(scene) {
    const { cluster, client, load, say } = scene;
    load.forget();
    cluster.etcd.pause();
    const since = performance.now();
    const created = client.admin.createTopic({ name: 'waits' }).catch((error: unknown) => error);
    await pause(60_000);
    wentOn(scene);
    cluster.etcd.resume();
    if ((await created) instanceof Error) say('  the creation that waited was told so in time');
    atMost('until a topic could be created after it, ms', await creation(client), 15_000, say);
    say(`  etcd was away for ${Math.round(performance.now() - since)} ms in all`);
  },
};

const manyPartitions: Scenario = {
  name: 'many-partitions',
  what: 'a topic of 10 000 partitions; then the active coordinator dies',
  async run({ cluster, client, say }) {
    const partitions = 10_000;
    const since = performance.now();
    await client.admin.createTopic({ name: 'many', partitions });
    say(`  ${partitions} partitions were created in ${Math.round(performance.now() - since)} ms`);
    const { topic } = await client.admin.describeTopic('many');
    if (topic?.partitions.length !== partitions) throw new Error('not all partitions are there');
    const { active, standby } = await cluster.offices(client);
    // The standby must have seen it, to remove it without waiting for its lease.
    await pause(6_000);
    const terms = (): number => standby.said.split('the coordinator is active').length - 1;
    const before = terms();
    const died = performance.now();
    await active.kill();
    while (terms() === before) await pause(10);
    atMost('until the other coordinator was active, ms', Math.round(performance.now() - died), 5_000, say);
    await active.start();
  },
};

export const scenarios: readonly Scenario[] = [
  coordinatorKilled,
  coordinatorPaused,
  nodeKilled,
  etcdStopped,
  manyPartitions,
];
