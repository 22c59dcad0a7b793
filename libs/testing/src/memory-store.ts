import { revision as asRevision, assert, type Millis, type Revision, sleep, type Timers } from '@moldau/kernel';
import {
  assertTxn,
  type Compare,
  LeaseGone,
  type LeaseId,
  leaseId,
  type MetadataStore,
  type RangeOptions,
  type RangePage,
  type StoreOp,
  type StoreStatus,
  type StoreWatch,
  storeUnavailable,
  type TxnResult,
} from '@moldau/metadata';
import { StoreFaults } from './memory-store-faults.ts';
import { MemoryStoreHistory } from './memory-store-history.ts';
import { MemoryStoreWatch } from './memory-store-watch.ts';

/** A transaction whose compares held. */
export interface Commit {
  readonly compares: readonly Compare[];
  readonly ops: readonly StoreOp[];
  readonly revision: Revision;
}

type Lease = { readonly keys: Set<string>; readonly ttlMs: Millis; cancel: () => void };

/**
 * The metadata store in memory, with faults that a test injects through `faults`. Deterministic: it has no time of its own
 * and answers in the order of the calls.
 */
export class MemoryStore implements MetadataStore {
  readonly faults: StoreFaults;
  /** Told of every transaction that was carried out, as it happens. */
  onCommit: (commit: Commit) => void = () => {};
  readonly #timers: Timers;
  readonly #history = new MemoryStoreHistory();
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #leaseOfKey = new Map<string, LeaseId>();
  readonly #watches = new Set<MemoryStoreWatch>();
  #leaseCount = 0;
  #closed = false;

  constructor(ports: { timers: Timers }) {
    this.#timers = ports.timers;
    this.faults = new StoreFaults({
      breakWatches: () => this.#breakWatches(),
      revokeLeases: () => {
        for (const lease of [...this.#leases.keys()]) this.#endLease(lease);
      },
    });
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangePage> {
    await this.#arrive();
    return this.#history.range(prefix, options);
  }

  async txn(
    compares: readonly Compare[],
    ops: readonly StoreOp[],
    otherwise: readonly StoreOp[] = [],
  ): Promise<TxnResult> {
    assertTxn(compares, ops, otherwise);
    await this.#arrive();
    const fault = this.faults.takeTxnFault();
    if (fault?.kind === 'delayed') {
      this.#timers.after(fault.byMs, () => this.#applyLate(compares, ops, otherwise));
      throw storeUnavailable('the request is still on its way');
    }
    const result = this.#apply(compares, ops, otherwise);
    if (fault?.kind === 'reply-lost') throw storeUnavailable('the reply was lost');
    return result;
  }

  watch(prefix: string, fromRevision: Revision): StoreWatch {
    this.#assertOpen();
    const watch = new MemoryStoreWatch(this.#history, prefix, fromRevision, this.faults.takeWatchFault(), () =>
      this.#watches.delete(watch),
    );
    this.#watches.add(watch);
    return watch;
  }

  async grantLease(ttlMs: number): Promise<LeaseId> {
    await this.#arrive();
    this.#leaseCount += 1;
    const id = leaseId(`lease-${this.#leaseCount}`);
    const cancel = this.#timers.after(ttlMs, () => this.#endLease(id));
    this.#leases.set(id, { keys: new Set(), ttlMs, cancel });
    return id;
  }

  async keepAlive(lease: LeaseId): Promise<boolean> {
    await this.#arrive();
    const found = this.#leases.get(lease);
    if (found === undefined) return false;
    found.cancel();
    found.cancel = this.#timers.after(found.ttlMs, () => this.#endLease(lease));
    return true;
  }

  async revoke(lease: LeaseId): Promise<void> {
    await this.#arrive();
    this.#endLease(lease);
  }

  async compact(revision: Revision): Promise<void> {
    await this.#arrive();
    this.#history.compact(revision);
    for (const watch of this.#watches) watch.wake();
  }

  async status(): Promise<StoreStatus> {
    await this.#arrive();
    return { revision: asRevision(this.#history.revision), sizeBytes: this.#history.sizeBytes, alarms: [] };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { cancel } of this.#leases.values()) cancel();
    for (const watch of [...this.#watches]) watch.close();
  }

  async #arrive(): Promise<void> {
    this.#assertOpen();
    if (this.faults.delayMs > 0) await sleep(this.#timers, this.faults.delayMs);
    if (this.faults.unavailable) throw storeUnavailable('it is unavailable');
  }

  #assertOpen(): void {
    assert(!this.#closed, 'a closed store is not used');
  }

  #apply(compares: readonly Compare[], ops: readonly StoreOp[], otherwise: readonly StoreOp[]): TxnResult {
    const succeeded = compares.every((compare) => this.#holds(compare));
    const branch = succeeded ? ops : otherwise;
    for (const op of branch) {
      if (op.kind === 'put' && op.lease !== undefined && !this.#leases.has(op.lease)) {
        throw new LeaseGone(op.lease);
      }
    }
    const read = this.#history.write(branch);
    for (const op of branch) if (op.kind !== 'get') this.#bind(op.key, op.kind === 'put' ? op.lease : undefined);
    for (const watch of this.#watches) watch.wake();
    const revision = asRevision(this.#history.revision);
    if (succeeded) this.onCommit({ compares, ops, revision });
    return { succeeded, revision, read };
  }

  /** Nobody hears whether it was refused: its lease may be gone by now. */
  #applyLate(...request: Parameters<MemoryStore['txn']>): void {
    const [compares, ops, otherwise = []] = request;
    try {
      this.#apply(compares, ops, otherwise);
    } catch (error) {
      assert(error instanceof LeaseGone, 'a late request is refused for its lease only');
    }
  }

  #holds(compare: Compare): boolean {
    const entry = this.#history.get(compare.key);
    return 'modRevision' in compare
      ? (entry?.modRevision ?? 0n) === compare.modRevision
      : (entry?.createRevision ?? 0n) === compare.createRevision;
  }

  #bind(key: string, lease: LeaseId | undefined): void {
    const before = this.#leaseOfKey.get(key);
    if (before !== undefined) this.#leases.get(before)?.keys.delete(key);
    this.#leaseOfKey.delete(key);
    if (lease === undefined) return;
    this.#leaseOfKey.set(key, lease);
    this.#leases.get(lease)?.keys.add(key);
  }

  #endLease(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.cancel();
    this.#leases.delete(id);
    this.#history.write([...lease.keys].map((key) => ({ kind: 'delete', key })));
    for (const key of lease.keys) this.#leaseOfKey.delete(key);
    for (const watch of this.#watches) watch.wake();
  }

  #breakWatches(): void {
    for (const watch of [...this.#watches]) watch.break();
  }
}
