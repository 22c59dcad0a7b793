import type { Scenario } from '../scene.ts';
import { rejoinMs } from './leader.ts';

const gapMs = 500;

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  what: 'each node in its turn ends by SIGTERM and is started again, when the one before it is in sync everywhere',
  async run(scene) {
    const { cluster, replicas } = scene;
    for (const id of [1, 2, 3]) {
      await cluster.node(id).stop();
      scene.gaps(`node ${id} ended`, gapMs);
      await cluster.node(id).start();
      scene.took(
        `node ${id}, from its readiness until it was in sync everywhere`,
        await replicas.untilWhole(),
        rejoinMs,
      );
      scene.gaps(`node ${id} came back`, gapMs);
    }
  },
};
