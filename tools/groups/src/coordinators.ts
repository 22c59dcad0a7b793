import type { ServiceProcess } from '@moldau/chaos-tool/process';
import { groupId, shardOf } from '@moldau/groups';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { hasReason, silentLogger } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { type Channel, defaultLimits, GrpcDialer } from '@moldau/rpc';
import type { Scene } from './scene.ts';

const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger: silentLogger };
const dialer = new GrpcDialer({ ...world, limits: defaultLimits });

/** A connection to a process, without a client in between. Close it. */
export const channelTo = ({ address }: ServiceProcess): Channel => dialer.dial(address, 'control');

/** The process that has the group now. */
export async function coordinatorOf(scene: Scene, group: string): Promise<ServiceProcess> {
  const { groupCoordinators } = scene.cluster;
  for (const one of groupCoordinators) {
    const channel = channelTo(one);
    try {
      await channel.unary(GroupService.method.getOffsets, { group });
      return one;
    } catch (error) {
      if (!hasReason(error, 'NOT_COORDINATOR')) throw error;
    } finally {
      channel.close();
    }
  }
  throw new Error(`nobody coordinates ${group}`);
}

/** Names of groups, so many, that are all on the shard of the first. */
export function neighbours(count: number): string[] {
  const { partitions } = groupsTopic;
  const names: string[] = [];
  for (let number = 0; names.length < count; number += 1) {
    const name = `neighbour-${number}`;
    if (shardOf(groupId(name), partitions) === shardOf(groupId('neighbour-0'), partitions)) names.push(name);
  }
  return names;
}
