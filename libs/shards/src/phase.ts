import { assert, type MoldauError, type Offset } from '@moldau/kernel';

/** Where an owner stands with its shard. SPEC.md has the rules. */
export type Phase =
  /** The token goes to the log, and nothing is known. */
  | { readonly kind: 'fencing' }
  /** Everything below `end` is being read; nothing comes behind it but what this owner writes. */
  | { readonly kind: 'replaying'; readonly end: Offset }
  | { readonly kind: 'serving' }
  /** It takes nothing new, and brings to an end what it has. */
  | { readonly kind: 'draining' }
  /** For good. Only another owner, under a higher epoch, has the shard again. */
  | { readonly kind: 'lost'; readonly error: MoldauError };

export type ShardEvent =
  /** The token is committed. `end`: behind its record. */
  | { readonly kind: 'fenced'; readonly end: Offset }
  | { readonly kind: 'replayed' }
  /** Somebody else is to have the shard. `error`: what whoever comes too late is told. */
  | { readonly kind: 'drain'; readonly error: MoldauError }
  /** Nothing waits for the log any more. */
  | { readonly kind: 'drained'; readonly error: MoldauError }
  /** The log refused for good, or the machine broke, or the owner is told to stop at once. */
  | { readonly kind: 'failed'; readonly error: MoldauError };

/** The phase after an event. What comes after the end changes nothing: answers may be late. */
export function nextPhase(phase: Phase, event: ShardEvent): Phase {
  if (phase.kind === 'lost') return phase;
  switch (event.kind) {
    case 'fenced':
      assert(phase.kind === 'fencing', 'a shard is fenced once');
      return { kind: 'replaying', end: event.end };
    case 'replayed':
      assert(phase.kind === 'replaying', 'a log is replayed once, behind its fence');
      return { kind: 'serving' };
    case 'drain':
      // Who has served nobody yet has nothing to bring to an end.
      if (phase.kind === 'fencing' || phase.kind === 'replaying') return { kind: 'lost', error: event.error };
      return { kind: 'draining' };
    case 'drained':
      assert(phase.kind === 'draining', 'only who is asked to leaves');
      return { kind: 'lost', error: event.error };
    case 'failed':
      return { kind: 'lost', error: event.error };
  }
}
