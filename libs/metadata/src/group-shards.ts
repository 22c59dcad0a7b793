import type { NodeEpoch, NodeId } from '@moldau/kernel';

/** The internal topic that keeps every group's state: one partition a shard. */
export const groupsTopic = {
  name: '__groups',
  partitions: 16,
  /**
   * What differs from the defaults of a topic: of each key the last record is all that is known of it, and must not go by age;
   * and what one request changes is one batch, be it the end of every offset of a group.
   */
  config: { cleanup: 'compact', 'max.batch.bytes': '8256KiB' },
} as const;

/** Enough for a group's state to survive the loss of two nodes; a small cluster has fewer. */
const replicasMax = 3;

/** How many copies the topic has in a cluster whose topics have so many by default. */
export const groupsTopicReplicas = (defaultReplicas: number): number => Math.min(replicasMax, defaultReplicas);

/** One start of a group coordinator: a later start of the same node has none of its state. */
export interface NodeStart {
  readonly node: NodeId;
  readonly start: NodeEpoch;
}

/** A shard that gets another owner. */
export interface ShardMove {
  readonly shard: number;
  readonly to: NodeStart;
}

/**
 * Spreads the shards over the group coordinators that live: each has as many as the others, or one more. As few move as that
 * takes, and whoever has the most keeps the one more. `owners`: by shard; undefined: it never had one. Without anybody who
 * lives nothing moves.
 */
export function spreadShards(
  owners: readonly (NodeStart | undefined)[],
  live: readonly NodeStart[],
): readonly ShardMove[] {
  if (live.length === 0) return [];
  const held = live.map((owner) => ({ owner, shards: owners.flatMap((had, i) => (isSame(had, owner) ? [i] : [])) }));
  held.sort((a, b) => b.shards.length - a.shards.length || a.owner.node - b.owner.node);
  const least = Math.floor(owners.length / live.length);
  const withOneMore = owners.length % live.length;
  const places = held.map(({ owner, shards }, i) => {
    const quota = least + (i < withOneMore ? 1 : 0);
    return { owner, kept: shards.slice(0, quota), free: Math.max(0, quota - shards.length) };
  });
  const kept = new Set(places.flatMap((place) => place.kept));
  const newOwners = places.flatMap(({ owner, free }) => Array.from({ length: free }, () => owner));
  const moving = owners.flatMap((_, shard) => (kept.has(shard) ? [] : [shard]));
  return moving.flatMap((shard, i) => {
    const to = newOwners[i];
    return to === undefined ? [] : [{ shard, to }];
  });
}

const isSame = (a: NodeStart | undefined, b: NodeStart): boolean => a?.node === b.node && a.start === b.start;
