import { assert, type Logger, type Revision, type Timers } from '@moldau/kernel';
import {
  assertTxn,
  type Compare,
  LeaseGone,
  type LeaseId,
  leaseId,
  type MetadataStore,
  type RangeOptions,
  type RangePage,
  rangePageLimit,
  type StoreOp,
  type StoreStatus,
  type StoreWatch,
  type TxnResult,
} from '@moldau/metadata';
import type { IRangeResponse } from 'etcd3';
import { isRefusal } from './answers.ts';
import { EtcdMembers, type EtcdOptions } from './etcd-members.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { keepAliveOnce } from './keep-alive.ts';
import { keysBelow, toEntry, toRevision, txnRequest, txnResult } from './requests.ts';

/**
 * The metadata store of a cluster of many processes: etcd 3.4 or newer. Every request is sent once and answered within
 * five seconds, or fails with STORE_UNAVAILABLE; so does one that etcd refuses, with words for an operator.
 */
export class EtcdStore implements MetadataStore {
  readonly #members: EtcdMembers;
  readonly #timers: Timers;
  readonly #watches = new Set<EtcdWatch>();

  /** Does no I/O: the first call connects. Throws StartError for addresses and certificates that make no sense. */
  constructor(options: EtcdOptions, ports: { timers: Timers; logger: Logger }) {
    this.#members = new EtcdMembers(options, ports);
    this.#timers = ports.timers;
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangePage> {
    const { limit = rangePageLimit, revision } = options;
    // To etcd, 0 means the present, and no limit.
    assert(revision === undefined || revision > 0n, 'a revision is 1 or more');
    assert(limit > 0, 'a page has room for an entry');
    try {
      const { header, kvs, more } = await this.#range(prefix, options, limit);
      return { revision: revision ?? toRevision(header.revision), entries: kvs.map(toEntry), more };
    } catch (error) {
      if (isRefusal(error, 'compacted') && revision !== undefined) throw await this.#compacted(prefix, revision, error);
      throw error;
    }
  }

  async txn(
    compares: readonly Compare[],
    ops: readonly StoreOp[],
    otherwise: readonly StoreOp[] = [],
  ): Promise<TxnResult> {
    assertTxn(compares, ops, otherwise);
    try {
      const response = await this.#members.current.kv.txn(txnRequest(compares, ops, otherwise));
      return txnResult(response, ops, otherwise);
    } catch (error) {
      if (!isRefusal(error, 'lease-gone')) throw error;
      // etcd does not say which: of several, all are named.
      const leases = [...ops, ...otherwise].flatMap((op) =>
        op.kind === 'put' && op.lease !== undefined ? op.lease : [],
      );
      throw new LeaseGone(leaseId([...new Set(leases)].join(' or ')));
    }
  }

  watch(prefix: string, fromRevision: Revision): StoreWatch {
    const range = { prefix, from: fromRevision };
    const watch = new EtcdWatch(this.#members.current, range, this.#timers, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    return watch;
  }

  /** etcd counts whole seconds, and gives no lease for less than its election takes, 2 s by default: keys may live longer. */
  async grantLease(ttlMs: number): Promise<LeaseId> {
    const { ID } = await this.#members.current.lease.leaseGrant({ TTL: Math.ceil(ttlMs / 1_000) });
    return leaseId(ID);
  }

  async keepAlive(lease: LeaseId): Promise<boolean> {
    return keepAliveOnce(this.#members.current, lease, this.#timers);
  }

  async revoke(lease: LeaseId): Promise<void> {
    try {
      await this.#members.current.lease.leaseRevoke({ ID: lease });
    } catch (error) {
      if (!isRefusal(error, 'lease-gone')) throw error;
    }
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#members.current.kv.compact({ revision: String(revision) });
    } catch (error) {
      if (!isRefusal(error, 'compacted')) throw error;
    }
  }

  async status(): Promise<StoreStatus> {
    const member = this.#members.current;
    // Asking for alarms goes through the log of all members: what this one then says of itself is not of the past.
    const { alarms } = await member.maintenance.alarm({ action: 'Get' });
    const { header, dbSize } = await member.maintenance.status();
    return {
      revision: toRevision(header.revision),
      sizeBytes: Number(dbSize),
      alarms: alarms.map(({ alarm, memberID }) => `${alarmText(alarm)} (member ${BigInt(memberID).toString(16)})`),
    };
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.close();
    this.#members.close();
  }

  /** A page whose entries are too large for one answer is cut down. */
  async #range(prefix: string, options: RangeOptions, limit: number): Promise<IRangeResponse> {
    const { revision, after, modifiedAfter } = options;
    try {
      return await this.#members.current.kv.range({
        ...keysBelow(prefix, after),
        limit,
        ...(revision === undefined ? {} : { revision: String(revision) }),
        ...(modifiedAfter === undefined ? {} : { min_mod_revision: String(modifiedAfter + 1n) }),
      });
    } catch (error) {
      if (limit === 1 || !isRefusal(error, 'answer-too-large')) throw error;
      return this.#range(prefix, options, limit >> 1);
    }
  }

  /** What is to be said of a revision that is gone: only a watch is told how much is left. */
  async #compacted(prefix: string, revision: Revision, refusal: unknown): Promise<unknown> {
    try {
      for await (const _ of this.watch(prefix, revision)) break;
      return refusal;
    } catch (error) {
      return error;
    }
  }
}

function alarmText(alarm: string): string {
  if (alarm === 'Nospace') return 'NOSPACE: the space quota is used up, and writes are refused';
  if (alarm === 'Corrupt') return 'CORRUPT: the data of a member differs from that of the others';
  return alarm;
}
