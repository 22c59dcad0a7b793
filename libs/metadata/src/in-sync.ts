import { assert, type NodeId } from '@moldau/kernel';
import type { IsrMember, PartitionState } from './stored-values.ts';

/**
 * The state with another ISR, and the ELR that belongs to it: the only place where either changes, and where a leader finds
 * out what the store has made of its proposal. Who leaves the ISR stays eligible while |ISR| < min ISR: the high watermark
 * can't have moved without it. An unfit one, which has lost data, is neither. With |ISR| ≥ min ISR the watermark moves on, so
 * nobody outside is known to have everything.
 */
export function withIsr<State extends Pick<PartitionState, 'isr' | 'elr' | 'minIsr'>>(
  state: State,
  isr: readonly IsrMember[],
  isUnfit: (node: NodeId) => boolean,
): State {
  if (isr.length >= state.minIsr) return { ...state, isr, elr: [] };
  const known = new Set([...state.elr, ...state.isr.map(({ node }) => node)]);
  return { ...state, isr, elr: [...known].filter((node) => !isr.some((one) => one.node === node) && !isUnfit(node)) };
}

export const isSameMember = (a: IsrMember, b: IsrMember): boolean => a.node === b.node && a.epoch === b.epoch;

/** What holds for every state that is written. */
export function checked(state: PartitionState): PartitionState {
  const { isr, elr, leader, minIsr } = state;
  assert(leader === undefined || isr.some(({ node }) => node === leader), 'the leader is in sync');
  assert(new Set(isr.map(({ node }) => node)).size === isr.length, 'a node is in sync once');
  assert(!isr.some(({ node }) => elr.includes(node)), 'ISR and ELR have no member in common');
  assert(isr.length < minIsr || elr.length === 0, 'the ELR is empty while the ISR is large enough');
  return state;
}
