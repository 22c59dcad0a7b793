import { DatabaseSync } from 'node:sqlite';
import type { Revision } from '@moldau/kernel';
import { type CancelTimer, StartError, type Timers } from '@moldau/kernel';
import {
  assertTxn,
  type Compare,
  LeaseGone,
  type LeaseId,
  leaseId,
  type MetadataStore,
  type RangeOptions,
  type RangePage,
  StoreCompacted,
  type StoreOp,
  type StoreStatus,
  type StoreWatch,
  storeUnavailable,
  type TxnResult,
} from '@moldau/metadata';
import { EmbeddedWatch } from './embedded-watch.ts';
import { createTables, formatVersion } from './schema.ts';
import { Tables } from './tables.ts';

/** The path of a store that lives in memory and ends with the process. */
export const inMemory = ':memory:';

/**
 * The metadata store of a cluster of one process: a SQLite file, locked for the life of the process. Every change is on
 * disk before its method resolves. Leases belong to the process that took them: opening ends those of an earlier one.
 */
export class EmbeddedStore implements MetadataStore {
  readonly #db: DatabaseSync;
  readonly #tables: Tables;
  readonly #timers: Timers;
  readonly #watches = new Set<EmbeddedWatch>();
  readonly #leases = new Map<LeaseId, { readonly ttlMs: number; cancel: CancelTimer }>();
  #leaseCount = 0;

  private constructor(db: DatabaseSync, timers: Timers) {
    this.#db = db;
    this.#timers = timers;
    this.#tables = new Tables(db);
    const left = this.#tables.leasedKeys();
    if (left.length > 0) this.#change(() => this.#tables.write(left.map((key) => ({ kind: 'delete', key }))));
  }

  /** Opens or creates the file at `path`. Throws StartError when it is in use, unreadable or of a newer format. */
  static open(path: string, ports: { timers: Timers }): EmbeddedStore {
    const db = openFile(path);
    try {
      return new EmbeddedStore(db, ports.timers);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangePage> {
    return this.#guard(() => this.#tables.range(prefix, options));
  }

  async txn(
    compares: readonly Compare[],
    ops: readonly StoreOp[],
    otherwise: readonly StoreOp[] = [],
  ): Promise<TxnResult> {
    assertTxn(compares, ops, otherwise);
    for (const op of [...ops, ...otherwise]) {
      if (op.kind === 'put' && op.lease !== undefined && !this.#leases.has(op.lease)) {
        throw new LeaseGone(op.lease);
      }
    }
    return this.#change(() => {
      const succeeded = compares.every((compare) => this.#tables.holds(compare));
      const read = this.#tables.write(succeeded ? ops : otherwise);
      return { succeeded, revision: this.#tables.revision, read };
    });
  }

  watch(prefix: string, fromRevision: Revision): StoreWatch {
    const next = (from: bigint) => this.#guard(() => this.#tables.changeFrom(prefix, from));
    const watch = new EmbeddedWatch(next, fromRevision, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    return watch;
  }

  async grantLease(ttlMs: number): Promise<LeaseId> {
    this.#leaseCount += 1;
    const id = leaseId(`lease-${this.#leaseCount}`);
    this.#leases.set(id, { ttlMs, cancel: this.#timers.after(ttlMs, () => this.#endLease(id)) });
    return id;
  }

  async keepAlive(lease: LeaseId): Promise<boolean> {
    const found = this.#leases.get(lease);
    if (found === undefined) return false;
    found.cancel();
    found.cancel = this.#timers.after(found.ttlMs, () => this.#endLease(lease));
    return true;
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#endLease(lease);
  }

  async compact(revision: Revision): Promise<void> {
    this.#change(() => this.#tables.compact(revision));
  }

  async status(): Promise<StoreStatus> {
    return this.#guard(() => ({ revision: this.#tables.revision, sizeBytes: this.#tables.sizeBytes, alarms: [] }));
  }

  async close(): Promise<void> {
    for (const { cancel } of this.#leases.values()) cancel();
    for (const watch of [...this.#watches]) watch.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #endLease(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.cancel();
    this.#leases.delete(id);
    this.#change(() => this.#tables.write(this.#tables.keysOf(id).map((key) => ({ kind: 'delete', key }))));
  }

  #change<T>(body: () => T): T {
    const result = this.#guard(() => this.#tables.atomically(body));
    for (const watch of this.#watches) watch.wake();
    return result;
  }

  /** A failing disk is the same to callers as a store that can't be reached: nothing is known of the change. */
  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof StoreCompacted || !isSqliteError(error)) throw error;
      throw storeUnavailable(error.message, error);
    }
  }
}

type SqliteError = Error & { readonly errcode: number };

const isSqliteError = (error: unknown): error is SqliteError => error instanceof Error && 'errcode' in error;

const busy = 5;

function openFile(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    // Exclusive and rollback journal: the first write locks out every other process until this one ends.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL');
    db.exec('BEGIN EXCLUSIVE');
    createTables(db);
    db.exec('COMMIT');
  } catch (error) {
    db?.close();
    if (isSqliteError(error) && error.errcode === busy) {
      throw new StartError(`${path} is in use by another process: stop that one, or use another directory`);
    }
    throw new StartError(
      `${path} can't be opened as the metadata store: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
  const format = db.prepare(`SELECT value FROM meta WHERE name = 'format'`).get()?.value;
  if (format === formatVersion) return db;
  db.close();
  throw new StartError(`${path} has format ${format}, and this program knows ${formatVersion}: use a newer program`);
}
