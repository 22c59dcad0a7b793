import { setTimeout as pause } from 'node:timers/promises';
import type { Scenario } from '../scene.ts';

/** The coordinators' default. */
export const sessionTimeoutMs = 9_000;
/** Where the address of a dead node refuses connections, its session is not waited for. */
export const atOnceMs = 3_000;
/** Until a node that is back is in sync again. */
export const rejoinMs = 10_000;
/** A second for the election, and one until every client knows. */
const silentLeaderMs = sessionTimeoutMs + 2_000;

/** For a partition to be quiet for so long is the machine's doing, not the cluster's. */
export const quietMs = 1_500;

export const leaderKilled: Scenario = {
  name: 'leader-killed',
  what: 'the node that leads most dies by SIGKILL, and is started again',
  async run(scene) {
    const { cluster, replicas } = scene;
    const id = await replicas.leadsMost();
    await cluster.node(id).kill();
    const [ledMs, takingMs] = await Promise.all([replicas.untilLedByOthers(id), scene.untilTaking()]);
    scene.took('until others led', ledMs, atOnceMs);
    scene.took('until every partition took records', takingMs, atOnceMs);
    scene.gaps('while it was gone', atOnceMs);
    await scene.calm();
    await cluster.node(id).start();
    scene.took('from its readiness until it was in sync everywhere', await replicas.untilWhole(), rejoinMs);
    scene.gaps('while it came back', quietMs);
  },
};

export const leaderPaused: Scenario = {
  name: 'leader-paused',
  what: 'the node that leads most stands still for 15 s (SIGSTOP), longer than its session, and wakes up',
  async run(scene) {
    const { cluster, replicas } = scene;
    const id = await replicas.leadsMost();
    cluster.node(id).pause();
    const woken = pause(15_000);
    scene.took('until others led', await replicas.untilLedByOthers(id), sessionTimeoutMs + 1_000);
    await woken;
    scene.gaps('while it stood still', silentLeaderMs);
    cluster.node(id).resume();
    scene.took('after it woke up, until it was in sync everywhere', await replicas.untilWhole(), rejoinMs);
    scene.gaps('after it woke up', quietMs);
  },
};
