import { setTimeout as pause } from 'node:timers/promises';
import type { Scenario } from '../scene.ts';
import { SmallDisk } from '../small-disk.ts';

const fullForMs = 20_000;
const recoveredMs = 30_000;
const disk = new SmallDisk();

export const diskFull: Scenario = {
  name: 'disk-full',
  what: 'the disk of a node that leads is full for 20 s, and has room again',
  impossible: () => SmallDisk.impossible(),
  cluster: {
    prepare: async (directory, id) => {
      if (id === 1) await disk.mount(directory);
    },
    release: () => disk.unmount(),
  },
  async run(scene) {
    const { load, replicas } = scene;
    const led = (await replicas.partitions()).flatMap(({ leader, index }) => (leader === 1 ? [index] : []));
    disk.fill();
    await pause(fullForMs);
    const gaps = load.acks.longestMs;
    scene.say(`the full node led ${led.join(' ')}; longest without an ack: ${gaps.join(' ')} ms`);
    const others = gaps.filter((_, index) => !led.includes(index));
    // A follower that can take nothing is out of sync after replica.lag.max.
    scene.took('led by other nodes, longest without an ack', Math.max(...others), 15_000);
    const since = performance.now();
    disk.free();
    await scene.untilTaking();
    scene.took('from the free space until every partition took records', sinceMs(since), recoveredMs);
    await replicas.untilWhole();
    scene.took('from the free space until all were in sync', sinceMs(since), recoveredMs);
    load.forget();
  },
};

const sinceMs = (since: number): number => Math.round(performance.now() - since);
