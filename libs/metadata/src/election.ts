import { assert, leaderEpoch, type NodeEpoch, type NodeId, nodeEpoch } from '@moldau/kernel';
import { checked, isSameMember, withIsr } from './in-sync.ts';
import type { IsrMember, PartitionState } from './stored-values.ts';
import type { TopicConfig } from './topic-config.ts';

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
  /** What happens when nobody who has everything can lead. */
  readonly recovery: TopicConfig['recovery'];
  /** More of the eligible may be about to report: the first of them did a moment ago. */
  readonly awaitsEligible: boolean;
  /** More of the replicas may be about to report: a moment ago somebody led. */
  readonly awaitsReplicas: boolean;
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
 *    the high watermark can't have moved without it. So does, once a fit one can lead, who has lost data; but it is not
 *    eligible either.
 * 2. A leader that left, or that gives its epoch up, is replaced from the ISR, else from the ELR, under the next epoch.
 *    Alone in the ISR, it follows itself.
 * 3. With nobody left who has everything, the partition waits; or, where its topic says so, the longest copy leads.
 */
export function decide(state: PartitionState, view: ElectionView): PartitionState | undefined {
  const wanted = { ...state, minIsr: view.minIsr };
  const running = state.isr.filter(({ node, epoch }) => view.epochOf(node) === epoch);
  const fit = running.filter(({ node }) => !isDamaged(node, view));
  const next =
    fit.length > 0
      ? withLeader(
          withIsr(wanted, fit, (node) => isUnfit(node, view)),
          view,
        )
      : rescue(wanted, running, view);
  return same(state, next) ? undefined : checked(next);
}

/** Moves the leadership to the first of `replicas`, which is in sync. `undefined`: it is not, or it leads. */
export function preferLeader(state: PartitionState, view: ElectionView): PartitionState | undefined {
  const preferred = state.isr.find(({ node }) => node === state.replicas[0]);
  if (preferred === undefined || state.leader === undefined || preferred.node === state.leader) return undefined;
  if (view.epochOf(preferred.node) !== preferred.epoch || isDamaged(preferred.node, view)) return undefined;
  return checked(lead(state, preferred, view, false));
}

/** Somebody in sync leads: the one that does, else the first in the order of the replicas. */
function withLeader(state: PartitionState, view: ElectionView): PartitionState {
  const { leader, leaderNodeEpoch } = state;
  const resigned = hasResigned(state, view);
  if (!resigned && state.isr.some(({ node, epoch }) => node === leader && epoch === leaderNodeEpoch)) return state;
  const inSync = state.replicas.flatMap((node) => state.isr.find((member) => member.node === node) ?? []);
  const successor = inSync.find(({ node }) => node !== leader || !resigned) ?? inSync[0];
  assert(successor !== undefined, 'somebody is in sync');
  const isLast = state.elr.length === 0 && inSync.every(({ node }) => isDamaged(node, view));
  return lead(state, successor, view, isLast);
}

/** Nobody fit is in sync. `running`: who is in sync, and has lost data. */
function rescue(wanted: PartitionState, running: readonly IsrMember[], view: ElectionView): PartitionState {
  const shrunk = withIsr(wanted, running, () => false);
  const eligible = fittest(shrunk, view);
  if (eligible !== undefined && (running.length === 0 || !isUnfit(eligible.node, view))) {
    const isLossy = isUnfit(eligible.node, view);
    return lead(
      withIsr(shrunk, [eligible], (node) => isLossy || isUnfit(node, view)),
      eligible,
      view,
      isLossy,
    );
  }
  if (running.length > 0) return withLeader(shrunk, view);
  const longest = view.recovery === 'longest' ? longestOfAll(shrunk, view) : undefined;
  if (longest === undefined) return { ...shrunk, leader: undefined, leaderNodeEpoch: nodeEpoch(0n) };
  return lead(
    withIsr(shrunk, [longest], () => true),
    longest,
    view,
    true,
  );
}

/** In sync or eligible, a damaged copy is worth less than any whole one. */
const isDamaged = (node: NodeId, view: ElectionView): boolean => view.reportOf(node)?.state === 'corrupt';

/**
 * Whether a start of a node may lack what was committed. Only for who is not in sync: `unclean` is what a start finds, and
 * whoever is in sync under that start has caught up since, or was elected with the loss on record.
 */
function isUnfit(node: NodeId, view: ElectionView): boolean {
  const state = view.reportOf(node)?.state;
  return state === 'unclean' || state === 'corrupt';
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

type Heard = IsrMember & { readonly report: ReplicaReport };

const heardOf = (nodes: readonly NodeId[], view: ElectionView): Heard[] =>
  nodes.flatMap((node) => {
    const [epoch, report] = [view.epochOf(node), view.reportOf(node)];
    return epoch === undefined || report === undefined ? [] : [{ node, epoch, report }];
  });

/**
 * The eligible replica to lead. A clean one has everything committed: the longest of those that are here, after those that
 * may be about to come had their time. When there is none, but **every** eligible one has been heard, the longest of all
 * leads all the same, and the loss is recorded. One that has lost its whole copy never leads: only an operator may give up
 * data.
 */
function fittest(state: PartitionState, view: ElectionView): IsrMember | undefined {
  const heard = heardOf(state.elr, view);
  const isComplete = heard.length === state.elr.length;
  if (!isComplete && state.isr.length === 0 && view.awaitsEligible) return undefined;
  const clean = heard.filter(({ report }) => report.state === 'clean');
  return longest(clean.length > 0 || !isComplete ? clean : heard);
}

/** The longest copy of any replica, once all have been heard or had their time. */
function longestOfAll(state: PartitionState, view: ElectionView): IsrMember | undefined {
  const heard = heardOf(state.replicas, view);
  if (heard.length < state.replicas.length && view.awaitsReplicas) return undefined;
  return longest(heard);
}

function longest(heard: readonly Heard[]): IsrMember | undefined {
  const best = heard.filter(hasCopy).sort((a, b) => longerFirst(a.report, b.report))[0];
  return best === undefined ? undefined : { node: best.node, epoch: best.epoch };
}

const hasCopy = ({ report }: Heard): boolean => report.state !== 'corrupt' || report.durableEnd > 0n;

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
