import type { Millis } from '@moldau/kernel';

export type TxnFault = { readonly kind: 'reply-lost' } | { readonly kind: 'delayed'; readonly byMs: Millis };

/** What a test lets go wrong in a MemoryStore. */
export class StoreFaults {
  /** Every call but `close` is refused before it has done anything. */
  unavailable = false;
  /** How long each call takes before it does anything. */
  delayMs: Millis = 0;
  /** Ends all open watches with STORE_UNAVAILABLE. */
  readonly breakWatches: () => void;
  /** Ends all leases at once, as a store does that had no quorum for too long. */
  readonly revokeLeases: () => void;
  readonly #txns: TxnFault[] = [];
  readonly #watches: number[] = [];

  constructor(actions: { breakWatches: () => void; revokeLeases: () => void }) {
    this.breakWatches = actions.breakWatches;
    this.revokeLeases = actions.revokeLeases;
  }

  /** The next `count` transactions are carried out, and their answers lost. */
  loseReplies(count = 1): void {
    for (let i = 0; i < count; i++) this.#txns.push({ kind: 'reply-lost' });
  }

  /** The next transaction fails for its caller, and is carried out `byMs` later all the same. */
  delayNextTxn(byMs: Millis): void {
    this.#txns.push({ kind: 'delayed', byMs });
  }

  /** Nothing of that will happen to transactions to come. */
  clear(): void {
    this.#txns.length = 0;
  }

  /** The next watch breaks after it has given out so many changes: 0 breaks it between its creation and its catch-up. */
  breakNextWatchAfter(changes: number): void {
    this.#watches.push(changes);
  }

  takeTxnFault(): TxnFault | undefined {
    return this.#txns.shift();
  }

  takeWatchFault(): number | undefined {
    return this.#watches.shift();
  }
}
