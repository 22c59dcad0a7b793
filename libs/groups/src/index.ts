export { type AssignorName, assignorNames } from './assign/assignor.ts';
export { UnreadableRecord } from './fields.ts';
export type { GroupHead, GroupRecord, Held, Holding, MemberProfile, StoredOffset } from './group-records.ts';
export { type GroupState, ShardState } from './group-state.ts';
export {
  type GroupId,
  groupId,
  type InstanceId,
  type Instant,
  instanceId,
  type MemberId,
  memberId,
  partitionOf,
} from './ids.ts';
export { defaultGroupOptions, type GroupOptions, limits } from './limits.ts';
export { isSettled } from './reading.ts';
export { decodeRecord, type EncodedRecord, encodeRecord } from './record-codec.ts';
export type * from './requests.ts';
export { GroupShard } from './shard.ts';
export { shardOf } from './shard-of.ts';
export { TopicsView, type TopicView } from './topics.ts';
