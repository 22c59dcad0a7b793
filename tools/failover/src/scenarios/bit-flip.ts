import { setTimeout as pause } from 'node:timers/promises';
import { partitionsIn } from '../copies.ts';
import { flipBit, isWhole, segmentsOf } from '../damage.ts';
import type { Scenario, Scene } from '../scene.ts';
import { rejoinMs, sessionTimeoutMs } from './leader.ts';

const damaged = 0;
const healedMs = 30_000;

/** Small segments, so that some are sealed; a small tail cache, so that old ones are read from disk. */
const setting = {
  cluster: { nodeFlags: ['--tail-cache-bytes', '1MiB'] },
  load: { partitions: 3, paddingBytes: 1_000, config: { 'segment.bytes': '256KiB' } },
};

export const leaderBitFlip: Scenario = {
  name: 'leader-bit-flip',
  what: 'a bit flips in a sealed segment of a leader; then that range is read',
  ...setting,
  async run(scene) {
    const [partition] = await scene.replicas.partitions();
    await readThrough(scene, await flipAt(scene, partition?.leader ?? 0));
  },
};

export const followerBitFlip: Scenario = {
  name: 'follower-bit-flip',
  what: 'a bit flips in a sealed segment of a follower; its leader ends, the follower leads, and that range is read',
  ...setting,
  async run(scene) {
    const { cluster, replicas } = scene;
    const [partition] = await replicas.partitions();
    const leader = partition?.leader ?? 0;
    const next = partition?.replicas.find((id) => id !== leader) ?? 0;
    const copy = await flipAt(scene, next);
    await cluster.node(leader).stop();
    const led = (await replicas.partitions())[damaged]?.leader;
    if (led !== next) throw new Error(`node ${led} leads, and not node ${next}, which has the damage`);
    await readThrough(scene, copy);
    await cluster.node(leader).start();
    scene.took('the old leader, until it was in sync everywhere', await replicas.untilWhole(), rejoinMs);
  },
};

/** Resolves with where that copy is, once it is damaged. */
async function flipAt({ cluster, client, load }: Scene, node: number): Promise<string> {
  const { topic } = await client.admin.describeTopic(load.topic);
  const copy = partitionsIn(cluster.directoryOf(node), topic?.id ?? '').get(damaged);
  if (copy === undefined) throw new Error(`node ${node} has no copy`);
  // The oldest is by then in no tail cache.
  while (segmentsOf(copy).length < 8) await pause(50);
  flipBit(segmentsOf(copy)[1] ?? '');
  if (await isWhole(copy)) throw new Error('the damage does not show');
  return copy;
}

async function readThrough(scene: Scene, copy: string): Promise<void> {
  const { client, load } = scene;
  const since = performance.now();
  let next = 0n;
  for await (const { offset, value } of client.read(load.topic, { partitions: [damaged], until: 'end' })) {
    if (offset !== next) throw new Error(`${offset} was read after ${next}`);
    const wrong = load.ledger.differs({ partition: damaged, offset, text: value ?? '' });
    if (wrong !== undefined) throw new Error(wrong);
    next = offset + 1n;
  }
  scene.say(`${next} records were read through the damage, each as it was written`);
  while (!(await isWhole(copy)) && performance.now() - since < healedMs * 2) await pause(100);
  scene.took('from the read until the damaged copy was whole', Math.round(performance.now() - since), healedMs);
  scene.gaps('meanwhile', sessionTimeoutMs);
}
