import { faults } from '@moldau/kernel';

/**
 * Whether somebody told of each of the `count` shards of the groups. Of a shard that moves, or whose owner died, nobody may have:
 * its groups would be missing from a list. Throws NOT_SERVING.
 */
export function requireAllShards(told: Iterable<number>, count: number): void {
  const missing = count - new Set(told).size;
  if (missing > 0) throw faults.notServing(`${missing} of ${count} shards of the groups`, 'away');
}
