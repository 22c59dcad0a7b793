import { Gate, type MoldauError, type Revision } from '@moldau/kernel';
import {
  type Compare,
  type LeaseId,
  type MetadataStore,
  type RangeOptions,
  type RangePage,
  type StoreChange,
  type StoreOp,
  type StoreStatus,
  type StoreWatch,
  storeUnavailable,
  type TxnResult,
} from '@moldau/metadata';
import type { SimulatedProcess } from './simulated-process.ts';

/**
 * The store as one process reaches it: answers wait while the process is paused, a dead one hears nothing, and one that is
 * cut off is told that the store does not answer.
 */
export class ProcessStore implements MetadataStore {
  #isCutOff = false;
  readonly #store: MetadataStore;
  readonly #process: SimulatedProcess;
  readonly #watches = new Set<StoreWatch>();
  readonly #broken = new Set<Gate>();

  constructor(store: MetadataStore, process: SimulatedProcess) {
    this.#store = store;
    this.#process = process;
  }

  /** Ends its watches, and lets nothing through until it is joined again. */
  cutOff(): void {
    this.#isCutOff = true;
    for (const broken of this.#broken) broken.open();
  }

  join(): void {
    this.#isCutOff = false;
  }

  range(prefix: string, options?: RangeOptions): Promise<RangePage> {
    return this.#ask(() => this.#store.range(prefix, options));
  }

  txn(compares: readonly Compare[], ops: readonly StoreOp[], otherwise?: readonly StoreOp[]): Promise<TxnResult> {
    return this.#ask(() => this.#store.txn(compares, ops, otherwise));
  }

  watch(prefix: string, fromRevision: Revision): StoreWatch {
    const watch = this.#store.watch(prefix, fromRevision);
    this.#watches.add(watch);
    const changes = watch[Symbol.asyncIterator]();
    return {
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
      [Symbol.asyncIterator]: () => ({
        next: (): Promise<IteratorResult<StoreChange>> => this.#process.answer(this.#unlessCutOff(changes.next())),
      }),
    };
  }

  grantLease(ttlMs: number): Promise<LeaseId> {
    return this.#ask(() => this.#store.grantLease(ttlMs));
  }

  keepAlive(lease: LeaseId): Promise<boolean> {
    return this.#ask(() => this.#store.keepAlive(lease));
  }

  revoke(lease: LeaseId): Promise<void> {
    return this.#ask(() => this.#store.revoke(lease));
  }

  compact(revision: Revision): Promise<void> {
    return this.#ask(() => this.#store.compact(revision));
  }

  status(): Promise<StoreStatus> {
    return this.#ask(() => this.#store.status());
  }

  #ask<T>(call: () => Promise<T>): Promise<T> {
    return this.#process.answer(this.#isCutOff ? Promise.reject(unreachable()) : call());
  }

  /** A change, unless the process is cut off before it comes. */
  async #unlessCutOff<T>(change: Promise<T>): Promise<T> {
    if (this.#isCutOff) throw unreachable();
    const broken = new Gate();
    this.#broken.add(broken);
    const cut = broken.wait().then(() => Promise.reject(unreachable()));
    try {
      return await Promise.race([change, cut]);
    } finally {
      this.#broken.delete(broken);
    }
  }

  /** Ends the watches of this process; the store itself goes on. */
  async close(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }
}

const unreachable = (): MoldauError => storeUnavailable('this process is cut off from it');
