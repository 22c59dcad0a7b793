import {
  type CancelTimer,
  type Clock,
  faults,
  type Logger,
  type Millis,
  type Random,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { LeaseId, MetadataStore } from '@moldau/metadata';

/** A lease is renewed so many times in its life. */
const renewals = 6;
/** What of a lease its holder trusts, from the moment it asked: the rest is for clocks that run apart. */
const trusted = 2 / 3;

/**
 * The right of this process to act as the coordinator, for one term. Nothing that is written depends on it: every write
 * compares the election key. It keeps a coordinator that was cut off or stood still from **answering** as if it were active.
 */
export class Office {
  /** The create revision of the election key: names the term, and fences its writes. */
  readonly term: bigint;
  readonly #ports: { store: MetadataStore; clock: Clock; timers: Timers; random: Random; logger: Logger };
  readonly #lease: LeaseId;
  readonly #leaseMs: Millis;
  readonly #over = new AbortController();
  readonly #cancelRenewals: CancelTimer;
  #cancelExpiry: CancelTimer;
  #validUntil: Millis;
  #renewing = false;

  /** `askedAt`: when the lease was asked for, by the monotonic clock. */
  constructor(
    ports: { store: MetadataStore; clock: Clock; timers: Timers; random: Random; logger: Logger },
    { term, lease, leaseMs, askedAt }: { term: bigint; lease: LeaseId; leaseMs: Millis; askedAt: Millis },
  ) {
    this.#ports = ports;
    this.term = term;
    this.#lease = lease;
    this.#leaseMs = leaseMs;
    this.#validUntil = askedAt + leaseMs * trusted;
    this.#cancelExpiry = this.#watchExpiry();
    this.#cancelRenewals = repeat(ports.timers, leaseMs / renewals, () => void this.#renew());
  }

  /** Aborted when the office is lost or given up; its reason says why. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** False once somebody else may hold the office. */
  get isValid(): boolean {
    return !this.over.aborted && this.#ports.clock.monotonicMs() < this.#validUntil;
  }

  /** Throws NOT_SERVING once somebody else may hold the office. Asked before every write and every answer. */
  requireValid(): void {
    if (!this.isValid) this.end('could not renew its lease in time');
    this.over.throwIfAborted();
  }

  /** It is somebody else's now, or can't be filled. */
  end(why: string): void {
    if (this.over.aborted) return;
    this.#cancelRenewals();
    this.#cancelExpiry();
    this.#over.abort(faults.notServing('the coordinator', `not active: it ${why}`));
  }

  /** Gives it up at once, so that another one need not wait for the lease to end. */
  async resign(): Promise<void> {
    this.end('resigned');
    try {
      await this.#ports.store.revoke(this.#lease);
    } catch (error) {
      this.#ports.logger.info('the lease of the office ends by itself: the store did not answer', { error });
    }
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.over.aborted) return;
    this.#renewing = true;
    const askedAt = this.#ports.clock.monotonicMs();
    try {
      if (await this.#ports.store.keepAlive(this.#lease)) {
        this.#validUntil = Math.max(this.#validUntil, askedAt + this.#leaseMs * trusted);
      } else this.end('lost its lease');
    } catch (error) {
      this.#ports.logger.warn('could not renew the lease of the office: trying again', { error });
    } finally {
      this.#renewing = false;
    }
  }

  /** A process that stood still finds out when it goes on, before it answers anyone who waits. */
  #watchExpiry(): CancelTimer {
    const { clock, timers } = this.#ports;
    return timers.after(this.#validUntil - clock.monotonicMs(), () => {
      const left = this.#validUntil - clock.monotonicMs();
      if (left <= 0) return this.end('could not renew its lease in time');
      this.#cancelExpiry = this.#watchExpiry();
    });
  }
}
