export type { AppendOptions, AppendResult } from './append-result.ts';
export type { WalkedBatch } from './batch-walk.ts';
export type { Inherited } from './copy-reset.ts';
export type { DirectoryOptions } from './directory-options.ts';
export type { TokenEntry } from './fencing-tokens.ts';
export type { EpochEntry } from './leader-epochs.ts';
export { defaultLogConfig, type LogConfig, storedBatchBytesMax } from './log-config.ts';
export { LogDirectory } from './log-directory.ts';
export type { LogSlice, ReadLimits } from './log-slice.ts';
export type { Found, FoundState, PartitionIdentity } from './log-state.ts';
export type { PartitionLog } from './partition-log.ts';
export type { DamagedRange, TimedOffset } from './partition-reader.ts';
export {
  type SurveyedSegment,
  type SurveyFinding,
  type SurveyVisitor,
  segmentsIn,
  surveyPartition,
  surveySegment,
} from './partition-survey.ts';
export type { LogPorts } from './ports.ts';
export type { RangeHash } from './range-hash.ts';
export type { Mismatch, ReplicaAppend } from './replica-append.ts';
export type { DiskState } from './space-watch.ts';
