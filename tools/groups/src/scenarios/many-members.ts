import { channelTo, coordinatorOf } from '../coordinators.ts';
import { RawMember } from '../raw-member.ts';
import type { Scenario, Scene } from '../scene.ts';

const topic = 'many';
const group = 'many-members';
const count = 1_000;
/** Streams of a connection: a process takes 256. */
const perChannel = 200;
const pingEveryMs = 5_000;
const settleMs = 3_000;
const rounds = 5;

/** As many members as partitions: each has one in the end. */
export const manyMembers: Scenario = {
  name: 'many-members',
  what: `${count} members on ${count} partitions join at once, then one leaves and one comes`,
  async run(scene) {
    await scene.client.admin.createTopic({ name: topic, partitions: count, replicas: 1 });
    await scene.client.admin.listOffsets(topic, 'end');
    // A first call makes the group's shard known.
    const owner = await coordinatorOf(scene, group);
    const channels = Array.from({ length: count / perChannel + 1 }, () => channelTo(owner));
    let changedAt = 0;
    const changed = (): void => {
      changedAt = performance.now();
    };
    let number = 0;
    const join = (): RawMember => {
      const channel = channels[Math.floor(number / perChannel) % channels.length];
      if (channel === undefined) throw new Error('there is a channel for each');
      number += 1;
      return new RawMember(channel, `member-${number}`, { group, topic }, changed);
    };
    const startedAt = performance.now();
    let members = Array.from({ length: count }, join);
    const pinging = setInterval(() => {
      for (const member of members) member.ping();
    }, pingEveryMs);
    try {
      await settled(scene, () => members);
      scene.measured('until all that join at once are settled', 'ms', [changedAt - startedAt], { atMost: settleMs });
      const took: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const [first, ...others] = members;
        const since = performance.now();
        await first?.leave();
        members = [...others, join()];
        await settled(scene, () => members);
        took.push(changedAt - since);
      }
      scene.measured('until one that leaves is replaced by one that comes', 'ms', took, { atMost: settleMs });
    } finally {
      clearInterval(pinging);
      for (const channel of channels) channel.close();
    }
  },
};

/** Each partition has one owner, every member one partition, in one epoch. */
async function settled(scene: Scene, members: () => readonly RawMember[]): Promise<void> {
  const isSettled = (): boolean => {
    const all = members();
    const owned = new Set(all.flatMap((member) => member.owned.map(({ partition }) => partition)));
    return all.every(({ isSettled, owned: own }) => isSettled && own.length === 1) && owned.size === count;
  };
  await scene.until('every member has one partition', isSettled, 60_000);
}
