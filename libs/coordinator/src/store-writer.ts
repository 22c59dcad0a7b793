import {
  assert,
  faults,
  Gate,
  hasReason,
  jittered,
  type Random,
  type Revision,
  randomName,
  sleep,
  type Timers,
} from '@moldau/kernel';
import { type Compare, type Keys, type MetadataStore, nonceOf, type StoreOp, type TxnResult } from '@moldau/metadata';
import type { Office } from './office.ts';

/** One change of the store: `ops` get the nonce that goes into every value. */
export interface Change {
  readonly compares: readonly Compare[];
  readonly ops: (nonce: string) => readonly StoreOp[];
}

export type Committed = { readonly kind: 'committed'; readonly revision: Revision };
/** Something that was compared has changed: look at the state again and decide anew. */
export type Conflict = { readonly kind: 'conflict' };

const attempts = 6;
const backoffMs = 100;

/**
 * Writes in the name of one term. Every transaction compares the term's election key, so a deposed coordinator changes
 * nothing. An unknown result is never taken for a failure: the same transaction, with the same nonce, is sent until one
 * attempt decides. Its compares let it win once at most, whichever attempt arrives first.
 */
export class StoreWriter {
  readonly #ports: { store: MetadataStore; timers: Timers; random: Random };
  readonly #office: Office;
  readonly #fence: { readonly key: string; readonly createRevision: bigint };
  readonly #idle = new Gate();
  #inFlight = 0;
  #stopped = false;

  constructor(ports: { store: MetadataStore; timers: Timers; random: Random }, keys: Keys, office: Office) {
    this.#ports = ports;
    this.#office = office;
    this.#fence = { key: keys.election, createRevision: office.term };
  }

  /** Resolves when nothing is on its way to the store any more; from now on `commit` rejects with NOT_SERVING. */
  async stop(): Promise<void> {
    this.#stopped = true;
    while (this.#inFlight > 0) await this.#idle.wait();
  }

  /** Rejects with STORE_UNAVAILABLE while the outcome is unknown, with NOT_SERVING when the term is over. */
  async commit(change: Change): Promise<Committed | Conflict> {
    this.#inFlight += 1;
    try {
      return await this.#commit(change);
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#idle.open();
    }
  }

  async #commit(change: Change): Promise<Committed | Conflict> {
    const nonce = randomName(this.#ports.random);
    const ops = change.ops(nonce);
    const witness = ops.find((op) => op.kind === 'put')?.key;
    assert(
      witness === undefined || change.compares.some((compare) => compare.key === witness && 'modRevision' in compare),
      'the first key that is put is compared, so that the transaction wins once at most',
    );
    for (let attempt = 1; ; attempt++) {
      if (this.#stopped) throw faults.notServing('the coordinator', 'stopped');
      this.#office.requireValid();
      const result = await this.#attempt(change.compares, ops, witness, attempt === attempts);
      if (result === undefined) {
        await sleep(this.#ports.timers, jittered(this.#ports.random, backoffMs * attempt));
        continue;
      }
      if (result.succeeded) return { kind: 'committed', revision: result.revision };
      const [office, written] = result.read;
      if (written !== undefined && nonceOf(written.key, written.value) === nonce) {
        return { kind: 'committed', revision: written.modRevision };
      }
      if (office?.createRevision !== this.#fence.createRevision) {
        this.#office.end('was replaced by another coordinator');
        this.#office.requireValid();
      }
      return { kind: 'conflict' };
    }
  }

  /** `undefined`: unknown. */
  async #attempt(
    compares: readonly Compare[],
    ops: readonly StoreOp[],
    witness: string | undefined,
    last: boolean,
  ): Promise<TxnResult | undefined> {
    const look: StoreOp[] = [{ kind: 'get', key: this.#fence.key }];
    if (witness !== undefined) look.push({ kind: 'get', key: witness });
    try {
      return await this.#ports.store.txn([this.#fence, ...compares], ops, look);
    } catch (error) {
      if (last || !hasReason(error, 'STORE_UNAVAILABLE')) throw error;
      return undefined;
    }
  }
}
