import {
  type Millis,
  type PartitionIndex,
  type PartitionKey,
  partitionIndex,
  type TopicId,
  topicId,
} from '@moldau/kernel';

declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

/** A consumer group. */
export type GroupId = Branded<'GroupId'>;
/** One membership: chosen by the client, unique, never used again once it is over. */
export type MemberId = Branded<'MemberId'>;
/** A static member: the same over restarts, each of which is another membership. */
export type InstanceId = Branded<'InstanceId'>;

export const groupId = (value: string): GroupId => value as GroupId;
export const memberId = (value: string): MemberId => value as MemberId;
export const instanceId = (value: string): InstanceId => value as InstanceId;

/** One moment on both clocks: sessions run on the one that can't jump, what outlives an owner on the other. */
export interface Instant {
  readonly monotonicMs: Millis;
  readonly wallMs: Millis;
}

/** The two halves of a partition's key. */
export function partitionOf(key: PartitionKey): { readonly topic: TopicId; readonly partition: PartitionIndex } {
  const at = key.lastIndexOf('-');
  return { topic: topicId(key.slice(0, at)), partition: partitionIndex(Number(key.slice(at + 1))) };
}
