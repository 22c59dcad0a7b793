export { type CopyEnds, type EpochStart, type LogView, type Match, matchCopy } from './epochs.ts';
export {
  type CopyView,
  type FollowerEffect,
  type FollowerEvent,
  FollowerMachine,
  type FollowerState,
  type Following,
  type Mismatch,
  type Piece,
} from './follower.ts';
export {
  type Hello,
  type IsrDecision,
  type LeaderEffect,
  type LeaderEvent,
  LeaderMachine,
  type LeaderOptions,
  type RefusalReason,
  type ResignationReason,
} from './leader.ts';
export { type CommittedState, MaximalIsr } from './maximal-isr.ts';
