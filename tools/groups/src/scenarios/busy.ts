import { setTimeout as pause } from 'node:timers/promises';
import { hasReason } from '@moldau/kernel';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { channelTo, coordinatorOf } from '../coordinators.ts';
import { startMember } from '../member-process.ts';
import type { Scenario, Scene } from '../scene.ts';

const sessionMs = 6_000;
const cluster = { groupFlags: ['--session-timeout', `${sessionMs}ms`] };

/** A record that takes its time costs nobody a partition. */
export const slow: Scenario = {
  name: 'slow',
  what: 'one record is handled for two minutes, far longer than the session: its partition stays',
  cluster,
  async run(scene) {
    const { client } = scene;
    const topic = 'slow';
    await client.admin.createTopic({ name: topic, partitions: 2, replicas: 3 });
    const producer = client.producer({ topic });
    await producer.send({ value: 'takes long', partition: 0 });
    await producer.close();
    const consumer = client.consumer({ group: 'slow', topics: [topic], from: 'start' });
    const taken: string[] = [];
    consumer.on('revoked', () => void taken.push('revoked'));
    consumer.on('lost', () => void taken.push('lost'));
    const handleMs = 120_000 * scene.scale;
    for await (const record of consumer) {
      const since = performance.now();
      await pause(handleMs);
      if (record.signal.aborted || taken.length > 0) throw new Error(`its partition was ${taken.join(', ')}`);
      scene.measured('a record was handled, and its partition stayed', 's', [(performance.now() - since) / 1_000]);
      break;
    }
    await consumer.close();
  },
};

/** The member's own clock keeps it from asking; whoever asks all the same is refused by the coordinator. */
async function refusesLateCommit(scene: Scene, group: string, memberId: string): Promise<void> {
  const { topic } = await scene.client.admin.describeTopic('blocked');
  const offsets = [{ partition: { topicId: topic?.id ?? '', partition: 0 }, offset: 1n }];
  const channel = channelTo(await coordinatorOf(scene, group));
  try {
    await channel.unary(GroupService.method.commitOffsets, { group, memberId, memberEpoch: 1, offsets });
  } catch (error) {
    if (!hasReason(error, 'UNKNOWN_MEMBER')) throw error;
    return scene.say(`the coordinator, asked in its name: ${error.message}`);
  } finally {
    channel.close();
  }
  throw new Error('a late commit was accepted');
}

/** A process whose one thread does not turn for longer than the session: others have its partitions when it comes back. */
export const blocked: Scenario = {
  name: 'blocked',
  what: 'a member whose event loop is blocked for longer than its session is fenced, and its late commit refused',
  cluster,
  async run(scene) {
    const { client } = scene;
    const topic = 'blocked';
    const group = 'blocked';
    await client.admin.createTopic({ name: topic, partitions: 2, replicas: 3 });
    const producer = client.producer({ topic });
    for (const partition of [0, 1]) await producer.send({ value: 'one', partition });
    await producer.close();
    const endpoints = scene.cluster.nodes.map(({ address }) => address);
    const member = startMember({ endpoints, group, topic, blockMs: 2 * sessionMs });
    await member.says(/has 2 partitions/);
    const other = client.consumer({ group, topics: [topic], from: 'start' });
    const reading = (async (): Promise<void> => {
      for await (const _ of other);
    })();
    await member.says(/lost \d+ partitions/);
    await member.says(/refused: /);
    scene.say(/refused: .*/.exec(member.said)?.[0] ?? '');
    await refusesLateCommit(scene, group, /is ([^\s,]+),/.exec(member.said)?.[1] ?? '');
    await member.kill();
    await other.close();
    await reading;
  },
};
