// Between the frames of replication and its machines. Nothing else knows both.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, leaderEpoch, type NodeEpoch, type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import type { Inherited } from '@moldau/log';
import {
  type IsrChangeSchema,
  IsrOutcome,
  type IsrResult,
  type PartitionAssignment,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import {
  CopyState,
  type EpochStart as EpochStartMessage,
  type Hello as HelloMessage,
  NackReason,
  RejectReason,
  type ReplicaData,
  type ReplicaDataSchema,
  type Welcome,
  type WelcomeSchema,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import type {
  CommittedState,
  EpochStart,
  FollowerEvent,
  Hello,
  IsrDecision,
  LeaderEffect,
  Match,
  Mismatch,
  Piece,
  RefusalReason,
} from '@moldau/replication';
import { offsetFrom } from '../wire.ts';
import { epochsMax } from './peer-limits.ts';

/** What a follower of a refused session hears. */
export type Refusal = RefusalReason | 'not-leader';

const fromEpochs = (epochs: readonly EpochStartMessage[]): EpochStart[] =>
  epochs.map(({ epoch, start }) => ({ epoch: leaderEpoch(epoch), start: offsetFrom('epochs.start', start) }));

const copies = { whole: CopyState.WHOLE, doubtful: CopyState.DOUBTFUL, lost: CopyState.LOST } as const;
const copyNames = new Map<CopyState, Hello['copy']>([
  [CopyState.WHOLE, 'whole'],
  [CopyState.DOUBTFUL, 'doubtful'],
  [CopyState.LOST, 'lost'],
]);

/** `session`: the number under which the leader keeps it. `undefined`: there can be no such copy. */
export function fromHello(
  hello: HelloMessage,
  from: { node: NodeId; nodeEpoch: NodeEpoch },
  session: number,
): Hello | undefined {
  const copy = copyNames.get(hello.copy);
  if (copy === undefined || !isPossible(hello)) return undefined;
  return {
    ...from,
    session,
    copy,
    epoch: leaderEpoch(hello.leaderEpoch),
    logStart: offsetFrom('hello.log_start', hello.logStart),
    durableEnd: offsetFrom('hello.durable_end', hello.durableEnd),
    supersededEnd: offsetFrom('hello.superseded_end', hello.supersededEnd),
    tombstoneEnd: offsetFrom('hello.tombstone_end', hello.tombstoneEnd),
    epochs: fromEpochs(hello.epochs),
  };
}

const isPossible = ({ logStart, durableEnd, epochs, supersededEnd, tombstoneEnd }: HelloMessage): boolean =>
  logStart >= 0n &&
  supersededEnd >= 0n &&
  tombstoneEnd >= 0n &&
  durableEnd >= logStart &&
  epochs.length <= epochsMax &&
  epochs.every(({ epoch, start }, i) => {
    const before = epochs[i - 1];
    return start >= 0n && (before === undefined || (epoch > before.epoch && start > before.start));
  });

export const toCopy = (copy: Hello['copy']): CopyState => copies[copy];

const rejects: Readonly<Record<Refusal, RejectReason>> = {
  fenced: RejectReason.FENCED,
  'unknown-epoch': RejectReason.UNKNOWN_EPOCH,
  'not-leader': RejectReason.NOT_LEADER,
  'stale-node': RejectReason.STALE_NODE,
  'not-replica': RejectReason.NOT_REPLICA,
  busy: RejectReason.BUSY,
  protocol: RejectReason.PROTOCOL,
};
const rejectNames = new Map(Object.entries(rejects).map(([name, reason]) => [reason, name as Refusal]));

export const toReject = (reason: Refusal): RejectReason => rejects[reason];

/** A reason that is not known here is one to come back for. */
export const fromReject = (reason: RejectReason): Refusal => rejectNames.get(reason) ?? 'protocol';

const nacks: Readonly<Record<Mismatch | 'left', NackReason>> = {
  gap: NackReason.GAP,
  epoch: NackReason.EPOCH,
  corrupt: NackReason.CORRUPT,
  'disk-full': NackReason.DISK_FULL,
  left: NackReason.LEFT,
};

const nackNames = new Map(Object.entries(nacks).map(([name, reason]) => [reason, name as Mismatch | 'left']));

/** A reason that is not known here is as good as none. */
export const fromNack = (reason: NackReason): Mismatch | 'left' => nackNames.get(reason) ?? 'left';

export const toNack = (reason: Mismatch | 'left'): NackReason => nacks[reason];

/** `inherited`: of a reset. */
export function toWelcome(
  match: Match,
  { covering, token, tombstoneEnd }: Inherited,
): Pick<
  MessageInitShape<typeof WelcomeSchema>,
  'truncateTo' | 'resetTo' | 'resetEpoch' | 'resetToken' | 'tombstoneEnd'
> {
  if (match.kind === 'whole') return {};
  if (match.kind === 'truncate') return { truncateTo: match.to };
  return {
    resetTo: match.to,
    ...(covering !== undefined && { resetEpoch: covering }),
    ...(token !== undefined && { resetToken: token }),
    ...(tombstoneEnd !== undefined && { tombstoneEnd }),
  };
}

export function fromWelcome(welcome: Welcome): FollowerEvent & { kind: 'welcome' } {
  const { session, truncateTo, resetTo, resetEpoch, resetToken } = welcome;
  const [covering] = resetEpoch === undefined ? [] : fromEpochs([resetEpoch]);
  if (covering !== undefined && (covering.start > (resetTo ?? 0n) || covering.epoch > welcome.leaderEpoch)) {
    throw faults.invalidRequest('welcome.reset_epoch', 'does not cover the place of the reset');
  }
  if (resetToken !== undefined && (resetToken < 0n || (resetTo ?? 0n) <= 0n)) {
    throw faults.invalidRequest('welcome.reset_token', 'was raised by no record below the place of the reset');
  }
  return {
    kind: 'welcome',
    session,
    epoch: leaderEpoch(welcome.leaderEpoch),
    truncateTo: truncateTo === undefined ? undefined : offsetFrom('welcome.truncate_to', truncateTo),
    reset:
      resetTo === undefined
        ? undefined
        : {
            to: offsetFrom('welcome.reset_to', resetTo),
            covering,
            token: resetToken,
            tombstoneEnd: offsetFrom('welcome.tombstone_end', welcome.tombstoneEnd),
          },
  };
}

export const toData = (session: number, piece: Piece): MessageInitShape<typeof ReplicaDataSchema> => ({
  session,
  leaderEpoch: piece.epoch,
  from: piece.from,
  previousEpoch: piece.previousEpoch,
  epochs: [...piece.epochs],
  batches: piece.batches,
  highWatermark: piece.highWatermark,
  logStart: piece.logStart,
  tombstoneEnd: piece.tombstoneEnd,
});

export const fromData = (entry: ReplicaData): Piece => ({
  epoch: leaderEpoch(entry.leaderEpoch),
  from: offsetFrom('data.from', entry.from),
  previousEpoch: leaderEpoch(entry.previousEpoch),
  epochs: fromEpochs(entry.epochs),
  batches: entry.batches,
  highWatermark: offsetFrom('data.high_watermark', entry.highWatermark),
  logStart: offsetFrom('data.log_start', entry.logStart),
  tombstoneEnd: offsetFrom('data.tombstone_end', entry.tombstoneEnd),
});

export const fromAssignment = (assignment: PartitionAssignment): CommittedState => ({
  partitionEpoch: assignment.partitionEpoch,
  replicas: (assignment.partition?.replicas ?? []).map(nodeId),
  isr: assignment.isr.map((member) => ({ node: nodeId(member.nodeId), epoch: nodeEpoch(member.nodeEpoch) })),
  elr: assignment.elr.map(nodeId),
  minIsr: assignment.partition?.minInSync ?? 1,
});

/** What a leader proposes, as the coordinator hears it. */
export const toIsrChange = (
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
  epoch: number,
  { partitionEpoch, isr, unfit }: LeaderEffect & { kind: 'propose' },
): MessageInitShape<typeof IsrChangeSchema> => ({
  topicId,
  partition,
  leaderEpoch: epoch,
  partitionEpoch,
  isr: isr.map((member) => ({ nodeId: member.node, nodeEpoch: member.epoch })),
  unfit: [...unfit],
});

const refusals = new Map<IsrOutcome, 'ineligible' | 'stale' | 'fenced'>([
  [IsrOutcome.INELIGIBLE, 'ineligible'],
  [IsrOutcome.STALE, 'stale'],
  [IsrOutcome.FENCED, 'fenced'],
]);

/** An outcome that is not known here decides nothing. */
export const fromIsrResult = ({ outcome, partitionEpoch }: IsrResult): IsrDecision =>
  outcome === IsrOutcome.COMMITTED
    ? { kind: 'committed', partitionEpoch }
    : { kind: refusals.get(outcome) ?? 'unknown' };
