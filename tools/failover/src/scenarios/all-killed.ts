import type { Scenario } from '../scene.ts';

export const allKilled: Scenario = {
  name: 'all-killed',
  what: 'all storage nodes die by SIGKILL at once, and are started again',
  async run(scene) {
    const { cluster, replicas } = scene;
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    const since = performance.now();
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await scene.untilTaking();
    scene.took('from their death until every partition took records', Math.round(performance.now() - since), 30_000);
    await replicas.untilWhole();
    scene.took('from their death until all were in sync', Math.round(performance.now() - since), 40_000);
    scene.gaps('meanwhile', 30_000);
  },
};
