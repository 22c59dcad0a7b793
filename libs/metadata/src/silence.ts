import type { NodeId } from '@moldau/kernel';
import type { Suspects } from './stored-values.ts';

// What a coordinator concludes from silence. A node that is not heard may be dead; when most nodes are not heard, it is
// likelier that the coordinator itself is cut off, or stood still.

/** Who is not heard, and what is known about it. */
export interface SilenceView {
  /** How many nodes may lead, the silent ones among them. */
  readonly active: number;
  /** Not heard for the session timeout. */
  readonly silent: readonly NodeId[];
  /** This term of the coordinator: the create revision of its election key. */
  readonly term: bigint;
  /** Whom an earlier coordinator could not reach when it resigned for that, unless that is too long ago. */
  readonly suspects: Suspects | undefined;
}

/** `probe`: ask each silent node for a sign of life before anything is concluded. */
export function onSilence(view: SilenceView): 'fence' | 'probe' {
  if (view.silent.length * 2 <= view.active) return 'fence';
  return isConfirmed(view, view.silent) ? 'fence' : 'probe';
}

/**
 * After the probes, of which those of `unanswered` failed. `resign`: leave the judgement to another term, which may see
 * more; the one that sees the same fences them.
 */
export function onProbed(view: SilenceView, unanswered: readonly NodeId[]): 'fence' | 'resign' {
  if (unanswered.length * 2 <= view.active) return 'fence';
  return isConfirmed(view, unanswered) ? 'fence' : 'resign';
}

/** Another term has come to the same conclusion. */
const isConfirmed = ({ term, suspects }: SilenceView, silent: readonly NodeId[]): boolean =>
  suspects !== undefined && suspects.term !== term && silent.every((node) => suspects.nodes.includes(node));
