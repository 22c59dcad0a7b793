import { partitionOfKey } from '@moldau/records';
import type { GroupId } from './ids.ts';

const utf8 = new TextEncoder();

/**
 * The shard that has a group: its id in UTF-8, hashed as the key of a record is (murmur2, as Kafka's default partitioner). For as
 * long as there are groups neither the hash nor the number of shards changes.
 */
export const shardOf = (group: GroupId, shards: number): number => partitionOfKey(utf8.encode(group), shards);
