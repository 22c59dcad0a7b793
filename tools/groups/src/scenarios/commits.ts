import { setTimeout as pause } from 'node:timers/promises';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import type { Channel } from '@moldau/rpc';
import { channelTo, coordinatorOf, neighbours } from '../coordinators.ts';
import { RawMember } from '../raw-member.ts';
import type { Scenario } from '../scene.ts';

const members = 100;
/** Commits of a member that are not answered. */
const inFlight = 16;
const commitsPerSecond = 10_000;
const measuredMs = 5_000;
const rounds = 5;

/** Members of one group commit as fast as they are answered, each one partition at a time. */
export const commits: Scenario = {
  name: 'commits',
  what: `${members} members commit as fast as they can, all on one shard`,
  async run(scene) {
    const topic = 'committed';
    const group = 'committing';
    await scene.client.admin.createTopic({ name: topic, partitions: members, replicas: 3 });
    await scene.client.admin.listOffsets(topic, 'end');
    const channel = channelTo(await coordinatorOf(scene, group));
    try {
      const all = Array.from(
        { length: members },
        (_, i) => new RawMember(channel, `member-${i}`, { group, topic }, () => {}),
      );
      const isSettled = (): boolean => all.every(({ isSettled, owned }) => isSettled && owned.length === 1);
      await scene.until('every member has a partition', isSettled, 30_000);
      const rates: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        let count = 0;
        const startedAt = performance.now();
        const endAt = startedAt + measuredMs * scene.scale;
        const lane = async (member: RawMember): Promise<void> => {
          while (performance.now() < endAt) {
            await member.commit(0n);
            count += 1;
          }
        };
        await Promise.all(all.flatMap((member) => Array.from({ length: inFlight }, () => lane(member))));
        rates.push((count * 1_000) / (performance.now() - startedAt));
      }
      scene.measured('commits of one shard', 'commits/s', rates, { atLeast: commitsPerSecond });
    } finally {
      channel.close();
    }
  },
};

const partitions = 1_000;
const groups = 100;
const moveMs = 2_000;
const askEveryMs = 20;

/** A shard that holds many offsets moves to another process, for its own is stopped. */
export const replay: Scenario = {
  name: 'replay',
  what: `a shard with ${partitions * groups} committed offsets moves`,
  async run(scene) {
    const topic = 'replayed';
    await scene.client.admin.createTopic({ name: topic, partitions, replicas: 3 });
    await scene.client.admin.listOffsets(topic, 'end');
    const { topic: described } = await scene.client.admin.describeTopic(topic);
    const topicId = described?.id ?? '';
    const names = neighbours(groups);
    const [first = ''] = names;
    const filled = channelTo(await coordinatorOf(scene, first));
    for (const group of names) {
      const offsets = Array.from({ length: partitions }, (_, partition) => ({
        partition: { topicId, partition },
        offset: 0n,
      }));
      const { failures } = await filled.unary(GroupService.method.commitOffsets, { group, offsets });
      if (failures.length > 0) throw new Error(`${failures.length} offsets of ${group} were refused`);
    }
    filled.close();
    const took: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const leaving = await coordinatorOf(scene, first);
      const others = scene.cluster.groupCoordinators.filter((one) => one !== leaving).map(channelTo);
      const stopping = leaving.stop();
      const since = performance.now();
      await scene.until('the shard is served elsewhere', () => isServed(others, first), 30_000);
      took.push(performance.now() - since);
      await stopping;
      const offsets = await Promise.all(names.map((name) => countOf(others, name)));
      const count = offsets.reduce((sum, one) => sum + one, 0);
      if (count !== partitions * groups) throw new Error(`${count} offsets are there, and were ${partitions * groups}`);
      for (const channel of others) channel.close();
      await leaving.start();
      // The one that came back is to be given shards before the next one goes.
      await scene.until(
        'both have shards again',
        () => hasBoth(scene.cluster.groupCoordinators.map(channelTo)),
        30_000,
      );
    }
    scene.measured('until the shard is served elsewhere', 'ms', took, { atMost: moveMs });
  },
};

async function isServed(channels: readonly Channel[], group: string): Promise<boolean> {
  await pause(askEveryMs);
  return (await countOf(channels, group)) > 0;
}

/** How many offsets of a group are served. 0: nobody serves it. */
async function countOf(channels: readonly Channel[], group: string): Promise<number> {
  for (const channel of channels) {
    try {
      return (await channel.unary(GroupService.method.getOffsets, { group })).offsets.length;
    } catch {
      // It is another one's, or on its way.
    }
  }
  return 0;
}

/** Whether each of them answers for some group. */
async function hasBoth(channels: readonly Channel[]): Promise<boolean> {
  const served = await Promise.all(
    channels.map(async (channel) => {
      const counts = await Promise.all(
        Array.from({ length: 64 }, (_, i) =>
          channel.unary(GroupService.method.getOffsets, { group: `probe-${i}` }).then(
            () => true,
            () => false,
          ),
        ),
      );
      channel.close();
      return counts.includes(true);
    }),
  );
  return served.every(Boolean);
}
