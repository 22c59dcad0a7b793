export { Admin, type FoundOffset, type NewTopic } from './admin.ts';
export type { BatchesOptions } from './batches-options.ts';
export { type Bounds, producerBounds } from './bounds.ts';
export { type Codec, codec } from './codec.ts';
export { type ConnectOptions, connect, open } from './connect.ts';
export {
  type ConsumedBatch,
  Consumer,
  type ConsumerOptions,
  type RawBatches,
  type TopicPartition,
} from './consumer.ts';
export type { Delay } from './delays.ts';
export type { Sent, Ticket } from './delivery.ts';
export { CommitFailed, type CommitFailure } from './group/commit-failed.ts';
export type { GroupPlace, SeekOptions, SoughtPosition } from './group/group-admin.ts';
export { type GroupBatch, GroupConsumer, type GroupRecord } from './group/group-consumer.ts';
export type { GroupEvent, GroupListener, PartitionsChanged } from './group/group-events.ts';
export type { GroupInfo, GroupMemberInfo, GroupPosition, GroupSummary } from './group/group-info.ts';
export type { GroupConsumerOptions } from './group/group-options.ts';
export type { PartitionLag } from './group/group-positions.ts';
export type { RunOptions } from './group/group-run.ts';
export { type ConnectPorts, Moldau } from './moldau.ts';
export type { Place } from './place.ts';
export { type OutgoingRecord, Producer, type ProducerOptions } from './producer.ts';
export type { Duration, Size } from './quantities.ts';
export type { ReadOptions } from './read.ts';
export type { ConsumedRecord } from './records-of.ts';
export { SendFailed } from './send-failed.ts';
