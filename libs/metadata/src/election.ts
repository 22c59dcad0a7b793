import { assert, leaderEpoch, type NodeEpoch, type NodeId, nodeEpoch } from '@moldau/kernel';
import { checked, isSameMember, withIsr } from './in-sync.ts';
import type { IsrMember, PartitionState } from './stored-values.ts';

/** What a node found of one replica when it started. */
export interface ReplicaReport {
  /** The highest leader epoch that it has stored. */
  readonly leaderEpoch: number;
  /** The epoch of its last batch. */
  readonly lastEpoch: number;
  readonly durableEnd: bigint;
  readonly state: 'clean' | 'unclean' | 'doubtful' | 'corrupt';
  /** A leader epoch that it gives up: a write under it failed after its offsets were handed out. */
  readonly resignedEpoch?: number | undefined;
}

/** The world as an election sees it. */
export interface ElectionView {
  /** The running start of a node that is not fenced: it has reported all its replicas. `undefined`: it may not lead. */
  epochOf(node: NodeId): NodeEpoch | undefined;
  /** What the running start of the node found of this partition. `undefined`: not heard. */
  reportOf(node: NodeId): ReplicaReport | undefined;
  /** In-sync replicas that the topic asks for now, never more than it has replicas. */
  readonly minIsr: number;
}

/** The first state of a partition. All its replicas are empty, so all are in sync. The first one leads. */
export function newPartition(replicas: readonly IsrMember[], minIsr: number): PartitionState {
  const [first] = replicas;
  assert(first !== undefined, 'a partition has a replica');
  return checked({
    replicas: replicas.map(({ node }) => node),
    leader: first.node,
    leaderNodeEpoch: first.epoch,
    leaderEpoch: leaderEpoch(1),
    isr: replicas,
    elr: [],
    lastKnownElr: [],
    minIsr,
    recovery: 'none',
    lastUncleanEpoch: leaderEpoch(0),
    adding: [],
    removing: [],
  });
}

/**
 * The state that a partition should have in this world, or `undefined` when it has it. Looks at state, never at events:
 * asked again after any change, in any order, it ends in the same place.
 *
 * 1. Who is fenced, or runs as another start than the ISR names, leaves the ISR. While |ISR| < min ISR it stays eligible:
 *    the high watermark can't have moved without it.
 * 2. A leader that left, or that gives its epoch up, is replaced from the ISR, else from the ELR, under the next epoch.
 *    Alone in the ISR, it follows itself.
 */
export function decide(state: PartitionState, view: ElectionView): PartitionState | undefined {
  const isr = state.isr.filter(({ node, epoch }) => view.epochOf(node) === epoch);
  const shrunk = withIsr({ ...state, minIsr: view.minIsr }, isr, () => false);
  const leads =
    isr.some(({ node, epoch }) => node === state.leader && epoch === state.leaderNodeEpoch) &&
    !hasResigned(state, view);
  const next = leads ? shrunk : elect(shrunk, view);
  return same(state, next) ? undefined : checked(next);
}

function elect(state: PartitionState, view: ElectionView): PartitionState {
  const inSync = state.replicas.flatMap((node) => state.isr.find((member) => member.node === node) ?? []);
  const successor = inSync.find(({ node }) => node !== state.leader || !hasResigned(state, view)) ?? inSync[0];
  if (successor !== undefined) return lead(state, successor, view, false);
  const candidate = fittest(state, view);
  if (candidate === undefined) return { ...state, leader: undefined, leaderNodeEpoch: nodeEpoch(0n) };
  const rest = state.elr.filter((node) => node !== candidate.node && view.reportOf(node)?.state !== 'corrupt');
  const elected = { ...state, isr: [candidate], elr: state.minIsr <= 1 ? [] : rest };
  const lossy = view.reportOf(candidate.node)?.state;
  return lead(elected, candidate, view, lossy === 'unclean' || lossy === 'corrupt');
}

const hasResigned = ({ leader, leaderEpoch: epoch }: PartitionState, view: ElectionView): boolean =>
  leader !== undefined && view.reportOf(leader)?.resignedEpoch === epoch;

function lead(
  state: PartitionState,
  { node, epoch }: IsrMember,
  view: ElectionView,
  dataLoss: boolean,
): PartitionState {
  const reported = state.replicas.map((replica) => view.reportOf(replica)?.leaderEpoch ?? 0);
  const next = leaderEpoch(Math.max(state.leaderEpoch, ...reported) + 1);
  return {
    ...state,
    leader: node,
    leaderNodeEpoch: epoch,
    leaderEpoch: next,
    recovery: dataLoss ? 'data-loss' : state.recovery,
    lastUncleanEpoch: dataLoss ? next : state.lastUncleanEpoch,
  };
}

/**
 * The eligible replica to lead. A clean one has everything committed: the longest of those that are here. When there is
 * none, but **every** eligible one has been heard, the longest of all leads all the same, and the loss is recorded. One
 * that has lost its whole copy never leads: only an operator may give up data.
 */
function fittest(state: PartitionState, view: ElectionView): IsrMember | undefined {
  const heard = state.elr.flatMap((node) => {
    const [epoch, report] = [view.epochOf(node), view.reportOf(node)];
    return epoch === undefined || report === undefined ? [] : [{ node, epoch, report }];
  });
  const clean = heard.filter(({ report }) => report.state === 'clean');
  const candidates = clean.length > 0 || heard.length < state.elr.length ? clean : heard.filter(hasCopy);
  const best = candidates.sort((a, b) => longerFirst(a.report, b.report))[0];
  return best === undefined ? undefined : { node: best.node, epoch: best.epoch };
}

const hasCopy = ({ report }: { report: ReplicaReport }): boolean =>
  report.state !== 'corrupt' || report.durableEnd > 0n;

function longerFirst(a: ReplicaReport, b: ReplicaReport): number {
  if (a.lastEpoch !== b.lastEpoch) return b.lastEpoch - a.lastEpoch;
  return Number(b.durableEnd - a.durableEnd);
}

function same(a: PartitionState, b: PartitionState): boolean {
  return (
    a.leader === b.leader &&
    a.leaderEpoch === b.leaderEpoch &&
    a.leaderNodeEpoch === b.leaderNodeEpoch &&
    a.minIsr === b.minIsr &&
    a.isr.length === b.isr.length &&
    a.isr.every((member, i) => isSameMember(member, b.isr[i] ?? member)) &&
    a.elr.length === b.elr.length &&
    a.elr.every((node, i) => b.elr[i] === node)
  );
}
