import type { Revision } from '@moldau/kernel';
import type {
  Compare,
  LeaseId,
  MetadataStore,
  RangeOptions,
  RangePage,
  StoreChange,
  StoreOp,
  StoreStatus,
  StoreWatch,
  TxnResult,
} from '@moldau/metadata';
import type { SimulatedProcess } from './simulated-process.ts';

/** The store as one process reaches it: answers wait while it is paused, and a dead one hears nothing. */
export class ProcessStore implements MetadataStore {
  readonly #store: MetadataStore;
  readonly #process: SimulatedProcess;
  readonly #watches = new Set<StoreWatch>();

  constructor(store: MetadataStore, process: SimulatedProcess) {
    this.#store = store;
    this.#process = process;
  }

  range(prefix: string, options?: RangeOptions): Promise<RangePage> {
    return this.#process.answer(this.#store.range(prefix, options));
  }

  txn(compares: readonly Compare[], ops: readonly StoreOp[], otherwise?: readonly StoreOp[]): Promise<TxnResult> {
    return this.#process.answer(this.#store.txn(compares, ops, otherwise));
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
        next: (): Promise<IteratorResult<StoreChange>> => this.#process.answer(changes.next()),
      }),
    };
  }

  grantLease(ttlMs: number): Promise<LeaseId> {
    return this.#process.answer(this.#store.grantLease(ttlMs));
  }

  keepAlive(lease: LeaseId): Promise<boolean> {
    return this.#process.answer(this.#store.keepAlive(lease));
  }

  revoke(lease: LeaseId): Promise<void> {
    return this.#process.answer(this.#store.revoke(lease));
  }

  compact(revision: Revision): Promise<void> {
    return this.#process.answer(this.#store.compact(revision));
  }

  status(): Promise<StoreStatus> {
    return this.#process.answer(this.#store.status());
  }

  /** Ends the watches of this process; the store itself goes on. */
  async close(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }
}
