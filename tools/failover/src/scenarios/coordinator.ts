import { setTimeout as pause } from 'node:timers/promises';
import type { Scenario, Scene } from '../scene.ts';
import { quietMs, rejoinMs } from './leader.ts';

/** Both refuse connections: neither the lease of the one nor the session of the other is waited for. */
const bothGoneMs = 8_000;

/** How often each partition has got another leader, at most. */
async function moves({ replicas }: Scene): Promise<() => Promise<number>> {
  const before = await replicas.partitions();
  return async () => {
    const after = await replicas.partitions();
    return Math.max(...after.map(({ leaderEpoch }, index) => leaderEpoch - (before[index]?.leaderEpoch ?? 0)));
  };
}

async function atMostOneMove(moved: () => Promise<number>): Promise<void> {
  const most = await moved();
  if (most > 1) throw new Error(`a partition got another leader ${most} times`);
}

export const coordinatorKilled: Scenario = {
  name: 'coordinator-killed',
  what: 'the active coordinator dies by SIGKILL: in a quiet cluster, together with a node, and while that node joins again',
  async run(scene) {
    const { cluster, client, replicas } = scene;
    const first = (await cluster.offices(client)).active;
    await first.kill();
    await scene.asUsual();
    scene.gaps('a coordinator died', quietMs);
    await first.start();

    const moved = await moves(scene);
    const id = await replicas.leadsFewest();
    const second = (await cluster.offices(client)).active;
    await Promise.all([cluster.node(id).kill(), second.kill()]);
    await Promise.all([replicas.untilWithout(id), scene.untilTaking()]);
    scene.gaps('a coordinator and a node died', bothGoneMs);
    await atMostOneMove(moved);
    await second.start();

    const third = (await cluster.offices(client)).active;
    await cluster.node(id).start();
    await third.kill();
    scene.took('a coordinator died while a node joined: until that was in sync', await replicas.untilWhole(), rejoinMs);
    scene.gaps('a coordinator died while a node joined', quietMs);
    await third.start();
  },
};

export const coordinatorPaused: Scenario = {
  name: 'coordinator-paused',
  what: 'the active coordinator stands still for 15 s (SIGSTOP) while a node that died joins again, and wakes up',
  async run(scene) {
    const { cluster, client, replicas } = scene;
    const id = await replicas.leadsFewest();
    await cluster.node(id).kill();
    await Promise.all([replicas.untilWithout(id), scene.untilTaking()]);
    scene.load.forget();
    const { active } = await cluster.offices(client);
    const moved = await moves(scene);
    const back = cluster.node(id).start();
    active.pause();
    const woken = pause(15_000);
    await back;
    scene.took('until the node was in sync, with another coordinator', await replicas.untilWhole(), 15_000);
    await woken;
    scene.gaps('while it stood still', quietMs);
    active.resume();
    await pause(3_000);
    scene.gaps('after it woke up', quietMs);
    await atMostOneMove(moved);
  },
};
