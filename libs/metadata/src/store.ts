import { assert, MoldauError, type Revision } from '@moldau/kernel';

// The port to the store that keeps the cluster's metadata. Its semantics are etcd's, so that etcd, the embedded store and
// the in-memory one pass the same contract suite (`storeContract` of @moldau/testing).

/** One key as it was at some revision. */
export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** The revision that made the key; a key that was deleted and made again has a new one. */
  readonly createRevision: Revision;
  /** The revision of the last write. */
  readonly modRevision: Revision;
}

/** Holds when the key has exactly this revision. `0n`: the key does not exist. */
export type Compare =
  | { readonly key: string; readonly modRevision: bigint }
  | { readonly key: string; readonly createRevision: bigint };

export type StoreOp =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: LeaseId }
  /** Deleting a key that does not exist changes nothing. */
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'get'; readonly key: string };

export interface TxnResult {
  /** True: all compares held, and `ops` were carried out. False: `otherwise` was. */
  readonly succeeded: boolean;
  /** The store's revision after the transaction: of its own writes, if it wrote anything. */
  readonly revision: Revision;
  /** What the `get` operations of the branch found, in order; `undefined`: no such key. */
  readonly read: readonly (StoreEntry | undefined)[];
}

export interface RangeOptions {
  /** Read the store as it was then. Default: now, linearizably. */
  readonly revision?: Revision | undefined;
  /** Only keys above this one: the last key of the page before. */
  readonly after?: string | undefined;
  /** At most so many entries. Default: 1 000. */
  readonly limit?: number | undefined;
  /** Only entries whose last write is above this revision. Deleted keys do not show. */
  readonly modifiedAfter?: Revision | undefined;
}

export interface RangePage {
  /** The revision that was read: give it to the next pages, so that all show one state. */
  readonly revision: Revision;
  /** By key, in the order of their code units. */
  readonly entries: readonly StoreEntry[];
  /** True when keys of the prefix are left beyond this page. */
  readonly more: boolean;
}

export type StoreEvent =
  | { readonly kind: 'put'; readonly entry: StoreEntry }
  | { readonly kind: 'delete'; readonly key: string };

/** Everything that one revision changed under the watched prefix, never split and never merged. */
export interface StoreChange {
  readonly revision: Revision;
  readonly events: readonly StoreEvent[];
}

/**
 * Changes in the order of their revisions, none left out and none twice; one reader. The iteration throws
 * {@link StoreCompacted} when a change it still needs is gone, and STORE_UNAVAILABLE when the watch broke: the reader
 * lists again and watches from there. It ends after `close`.
 */
export interface StoreWatch extends AsyncIterable<StoreChange> {
  close(): void;
}

declare const leaseBrand: unique symbol;
/** Names a lease. */
export type LeaseId = string & { readonly [leaseBrand]: 'LeaseId' };
export const leaseId = (value: string): LeaseId => value as LeaseId;

export interface StoreStatus {
  readonly revision: Revision;
  /** Bytes that the store takes. */
  readonly sizeBytes: number;
  /** What an operator has to look at: one line each. */
  readonly alarms: readonly string[];
}

/**
 * A small, linearizable, revisioned store of text values. **Every** method rejects with STORE_UNAVAILABLE when the store
 * did not answer. For `txn` and the lease calls this means *unknown*: the change may have happened, and may still happen
 * later. No implementation retries a write by itself.
 */
export interface MetadataStore {
  /** Entries whose key starts with `prefix`. Rejects with {@link StoreCompacted} for a revision that is gone. */
  range(prefix: string, options?: RangeOptions): Promise<RangePage>;
  /**
   * If all `compares` hold, carries out `ops`, else `otherwise`: atomically, under one new revision when it wrote anything.
   * At most {@link maxTxnOps} entries in each list and {@link maxTxnBytes} in all; no key is written twice. Rejects with
   * {@link LeaseGone}, and writes nothing, when it puts a key under a lease that is gone.
   */
  txn(
    compares: readonly Compare[],
    ops: readonly StoreOp[],
    otherwise?: readonly StoreOp[] | undefined,
  ): Promise<TxnResult>;
  /** Changes under `prefix` with a revision of `fromRevision` or above. */
  watch(prefix: string, fromRevision: Revision): StoreWatch;
  /** A new lease: keys put with it are deleted when it is not kept alive for `ttlMs`. */
  grantLease(ttlMs: number): Promise<LeaseId>;
  /** Starts the lease's time again. False: the lease is gone, and its keys with it. */
  keepAlive(lease: LeaseId): Promise<boolean>;
  /** Ends the lease and deletes its keys. One that is gone already is fine. */
  revoke(lease: LeaseId): Promise<void>;
  /** Forgets all history below `revision`, which stays readable, as does everything above it. */
  compact(revision: Revision): Promise<void>;
  status(): Promise<StoreStatus>;
  /** Ends all watches. No other method may be called afterwards. */
  close(): Promise<void>;
}

/** The revision asked for is below what the store still keeps: list again. */
export class StoreCompacted extends Error {
  override readonly name = 'StoreCompacted';
  /** The lowest revision that can be read. */
  readonly oldest: Revision;

  constructor(asked: bigint, oldest: Revision) {
    super(`revision ${asked} of the metadata store is compacted: ${oldest} is the oldest that is kept`);
    this.oldest = oldest;
  }
}

/** A key was to be put under a lease that has ended. */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone';

  constructor(lease: LeaseId) {
    super(`lease ${lease} is gone`);
  }
}

/** The store did not answer, or its answer was lost. */
export const storeUnavailable = (problem: string, cause?: unknown): MoldauError<'STORE_UNAVAILABLE'> =>
  new MoldauError(
    'STORE_UNAVAILABLE',
    `the metadata store did not answer (${problem}): the change may have happened`,
    {},
    { cause },
  );

/** etcd's limits, with room to spare. */
export const maxTxnOps = 120;
export const maxTxnBytes = 1_400_000;
export const rangePageLimit = 1_000;

/** The limits of {@link MetadataStore.txn}: only a bug passes them. */
export function assertTxn(compares: readonly Compare[], ...branches: (readonly StoreOp[])[]): void {
  assert(compares.length <= maxTxnOps, `a transaction has at most ${maxTxnOps} compares, not ${compares.length}`);
  let bytes = 0;
  for (const ops of branches) {
    assert(ops.length <= maxTxnOps, `a transaction has at most ${maxTxnOps} operations, not ${ops.length}`);
    const written = new Set<string>();
    for (const op of ops) {
      bytes += op.key.length + (op.kind === 'put' ? op.value.length : 0);
      if (op.kind === 'get') continue;
      assert(!written.has(op.key), `a transaction writes ${op.key} once`);
      written.add(op.key);
    }
  }
  assert(bytes <= maxTxnBytes, `a transaction has at most ${maxTxnBytes} bytes, not ${bytes}`);
}
