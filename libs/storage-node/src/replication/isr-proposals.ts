import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Logger, MoldauError } from '@moldau/kernel';
import type { IsrChangeSchema, IsrResult } from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { IsrDecision } from '@moldau/replication';
import { fromIsrResult } from './wire.ts';

type Change = MessageInitShape<typeof IsrChangeSchema>;

/** Asks the active coordinator; rejects when it did not answer. */
export type AlterIsr = (changes: readonly Change[]) => Promise<readonly IsrResult[]>;

/** A proposal of one partition, and who waits for what becomes of it. */
export interface IsrProposal {
  readonly change: Change;
  readonly decided: (decision: IsrDecision) => void;
}

/** Changes of one call. */
const changesMax = 1_000;

/**
 * Takes what leaders propose to the coordinator: everything of one turn in one call. A call without an answer leaves its
 * proposals unknown: they may have been carried out, and may still be.
 */
export class IsrProposals {
  readonly #alterIsr: AlterIsr;
  readonly #logger: Logger;
  #waiting: IsrProposal[] = [];

  constructor(alterIsr: AlterIsr, logger: Logger) {
    this.#alterIsr = alterIsr;
    this.#logger = logger;
  }

  propose(proposal: IsrProposal): void {
    this.#waiting.push(proposal);
    if (this.#waiting.length > 1) return;
    queueMicrotask(() => {
      const all = this.#waiting;
      this.#waiting = [];
      for (let at = 0; at < all.length; at += changesMax) void this.#ask(all.slice(at, at + changesMax));
    });
  }

  async #ask(proposals: readonly IsrProposal[]): Promise<void> {
    let results: readonly IsrResult[] = [];
    try {
      results = await this.#alterIsr(proposals.map(({ change }) => change));
    } catch (error) {
      // Whatever it was: who has proposed waits for an answer.
      if (error instanceof MoldauError) this.#logger.debug('a change of in-sync replicas has no answer', { error });
      else this.#logger.error('a bug has ended a change of in-sync replicas', { error });
    }
    for (const [i, { decided }] of proposals.entries()) {
      const result = results[i];
      decided(result === undefined ? { kind: 'unknown' } : fromIsrResult(result));
    }
  }
}
