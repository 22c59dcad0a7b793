import { assert } from './assert.ts';

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A record's place in its partition: 0, 1, 2, … */
export type Offset = Branded<bigint, 'Offset'>;
/** Counts the leaders of one partition; grows with every election. */
export type LeaderEpoch = Branded<number, 'LeaderEpoch'>;
/** A storage node: 1 or more. */
export type NodeId = Branded<number, 'NodeId'>;
/** One start of a node: the revision of its registration in the metadata store. */
export type NodeEpoch = Branded<bigint, 'NodeEpoch'>;
/** A topic for as long as it lives: a topic deleted and created again has another one. Safe as a file name. */
export type TopicId = Branded<string, 'TopicId'>;
/** A partition's index in its topic: 0, 1, 2, … */
export type PartitionIndex = Branded<number, 'PartitionIndex'>;
/** Who wrote a batch, for the duplicate check. -1 in a batch header: nobody in particular. */
export type ProducerId = Branded<bigint, 'ProducerId'>;
/** A revision of the metadata store: grows with every change. */
export type Revision = Branded<bigint, 'Revision'>;
/** Milliseconds: since 1970-01-01 UTC as a point in time, or a span. */
export type Millis = number;

export const offset = (value: bigint | number): Offset => {
  const n = BigInt(value);
  assert(n >= 0n, `an offset is never negative: ${n}`);
  return n as Offset;
};
export const leaderEpoch = (value: number): LeaderEpoch => value as LeaderEpoch;
export const nodeId = (value: number): NodeId => value as NodeId;
export const nodeEpoch = (value: bigint): NodeEpoch => value as NodeEpoch;
export const topicId = (value: string): TopicId => value as TopicId;
export const partitionIndex = (value: number): PartitionIndex => value as PartitionIndex;
export const producerId = (value: bigint): ProducerId => value as ProducerId;
export const revision = (value: bigint): Revision => value as Revision;

/** Names one partition in maps, directories and messages: `<topic id>-<partition>`. */
export type PartitionKey = Branded<string, 'PartitionKey'>;
export const partitionKey = (topic: TopicId, partition: PartitionIndex): PartitionKey =>
  `${topic}-${partition}` as PartitionKey;
