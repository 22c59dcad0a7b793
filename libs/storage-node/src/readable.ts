import type { Partition } from './partition.ts';

/**
 * Throws unless this node may answer a read: the leader always; with `anyReplica` a follower too, up to its own high
 * watermark, whether it hears of its leader just now or not. Not one whose copy is damaged, was halted, or is a replica no more.
 */
export function requireReadable(partition: Partition, anyReplica: boolean): void {
  const { role, copy, following } = partition;
  const isFollower = role.kind === 'follower' && (role.leader === undefined || following !== undefined);
  if (anyReplica && isFollower && copy !== 'lost' && following?.isHalted !== true) return;
  partition.requireLeader();
}
