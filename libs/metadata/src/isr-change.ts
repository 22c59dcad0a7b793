import type { NodeEpoch, NodeId } from '@moldau/kernel';
import { checked, isSameMember, withIsr } from './in-sync.ts';
import type { IsrMember, PartitionState } from './stored-values.ts';

/** An ISR as the leader of the partition proposes it. */
export interface IsrChange {
  /** Who proposes it, under which start. */
  readonly sender: IsrMember;
  readonly leaderEpoch: number;
  /** The state that it is proposed on. */
  readonly partitionEpoch: bigint;
  readonly isr: readonly IsrMember[];
  /** Replicas that have lost data: they leave the ELR too. */
  readonly unfit: readonly NodeId[];
}

/** The world as a change of the ISR sees it. */
export interface IsrView {
  /** The partition epoch: the revision of the state. */
  readonly revision: bigint;
  /** The running start of a node that is not fenced. */
  epochOf(node: NodeId): NodeEpoch | undefined;
}

export type IsrVerdict =
  /** To be written. Also when it equals what is there: only a write decides what becomes of earlier proposals. */
  | { readonly kind: 'committed'; readonly next: PartitionState }
  /** Who proposes it leads no more. */
  | { readonly kind: 'fenced' }
  /** It was proposed on another state; a newer one is there, or about to be. */
  | { readonly kind: 'stale' }
  /** Nobody may be in sync this way. */
  | { readonly kind: 'ineligible' };

/**
 * Whether the ISR may become what a leader proposes. Rules of admission: the leader stays in sync; who joins is a replica,
 * and runs now, as the start that has caught up. Nobody unfit is in sync.
 */
export function decideIsr(state: PartitionState, change: IsrChange, view: IsrView): IsrVerdict {
  const { sender, isr, unfit } = change;
  if (change.leaderEpoch < state.leaderEpoch) return { kind: 'fenced' };
  if (change.leaderEpoch > state.leaderEpoch || change.partitionEpoch !== view.revision) return { kind: 'stale' };
  if (sender.node !== state.leader || sender.epoch !== state.leaderNodeEpoch) return { kind: 'fenced' };

  const nodes = new Set(isr.map(({ node }) => node));
  if (nodes.size < isr.length || !isr.some((member) => isSameMember(member, sender))) return { kind: 'ineligible' };
  if (unfit.some((node) => nodes.has(node))) return { kind: 'ineligible' };
  const runs = ({ node, epoch }: IsrMember): boolean => view.epochOf(node) === epoch;
  const added = isr.filter((member) => !state.isr.some((before) => isSameMember(before, member)));
  if (!added.every((member) => runs(member) && state.replicas.includes(member.node))) return { kind: 'ineligible' };
  // One that stays, and was fenced a moment ago: the state without it is about to be written.
  if (!isr.every(runs)) return { kind: 'stale' };

  return { kind: 'committed', next: checked(withIsr(state, isr, (node) => unfit.includes(node))) };
}
