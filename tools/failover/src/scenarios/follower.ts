import { setTimeout as pause } from 'node:timers/promises';
import type { Scenario, Scene } from '../scene.ts';
import { quietMs, rejoinMs, sessionTimeoutMs } from './leader.ts';

/** With two partitions a node is left that leads none. */
const load = { partitions: 2 };
/** replica.lag.max, and five seconds. */
const shrinkMs = 15_000;

export const followerKilled: Scenario = {
  name: 'follower-killed',
  what: 'a node that leads nothing dies by SIGKILL, then one more: less than min.insync.replicas is left; both come back',
  load,
  async run(scene) {
    const { cluster, replicas } = scene;
    const first = await replicas.leadsFewest();
    await cluster.node(first).kill();
    scene.took('until it was in sync nowhere', await replicas.untilWithout(first), shrinkMs);
    await scene.untilTaking();
    scene.gaps('while it was gone', sessionTimeoutMs + 1_000);
    const second = [1, 2, 3].find((id) => id !== first) ?? 1;
    await cluster.node(second).kill();
    await replicas.untilWithout(second);
    const before = scene.load.acks.counts;
    await pause(3_000);
    const taken = scene.load.acks.counts.reduce((sum, count, index) => sum + count - (before[index] ?? 0), 0);
    // A single node is in sync: nothing may be acknowledged, and nobody is told of an error.
    if (taken > 0)
      throw new Error(`${taken} records were acknowledged with one node in sync, below min.insync.replicas`);
    await cluster.node(second).start();
    scene.took('two nodes again, from the readiness until records were taken', await scene.untilTaking(), rejoinMs);
    scene.load.forget();
    await cluster.node(first).start();
    scene.took('three nodes, from the readiness until in sync everywhere', await replicas.untilWhole(), rejoinMs);
    scene.gaps('while the third came back', quietMs);
  },
};

const pauses = {
  load,
  async run(scene: Scene) {
    const { cluster, replicas } = scene;
    const id = await replicas.leadsFewest();
    cluster.node(id).pause();
    scene.took('until it was in sync nowhere', await replicas.untilWithout(id), shrinkMs);
    await scene.untilTaking();
    // What only two of three have is not committed while the third counts.
    scene.gaps('while it stood still', shrinkMs);
    await scene.calm();
    cluster.node(id).resume();
    scene.took('after it woke up, until it was in sync everywhere', await replicas.untilWhole(), rejoinMs);
    scene.gaps('after it woke up', quietMs);
  },
} satisfies Partial<Scenario>;

export const followerPaused: Scenario = {
  name: 'follower-paused',
  what: 'a node that leads nothing stands still (SIGSTOP) until the coordinator has fenced it, and wakes up',
  ...pauses,
};

export const followerLags: Scenario = {
  name: 'follower-lags',
  what: 'the same with a session of a minute: the leaders take it out of the in-sync replicas, for its lag',
  cluster: { coordinatorFlags: ['--session-timeout', '1m'] },
  ...pauses,
};
