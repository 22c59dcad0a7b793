export { PartitionShardLog, type ShardLogPorts, type ShardPartition } from './partition-shard-log.ts';
export type { Phase } from './phase.ts';
export type { EncodedRecord, Instant, ShardKind, ShardMachine, ShardReplay, ShardStep } from './shard-kind.ts';
export type { ShardLog } from './shard-log.ts';
export {
  defaultShardLimits,
  type ShardLimits,
  ShardOwner,
  type ShardOwnerPorts,
  type SubmitOptions,
} from './shard-owner.ts';
