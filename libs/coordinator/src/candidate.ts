import {
  type Clock,
  type Logger,
  type Millis,
  type Random,
  type Revision,
  randomName,
  revision,
  sleep,
  type Timers,
  Wakeup,
} from '@moldau/kernel';
import {
  type Keys,
  type MetadataStore,
  nonceOf,
  type OfficeHolder,
  officeCodec,
  type StoreEntry,
} from '@moldau/metadata';
import type { Dialer } from '@moldau/rpc';
import { Office } from './office.ts';
import { type Probed, probe } from './probe.ts';
import { readKey, untilAnswered } from './store-access.ts';

/** The store and the world, as a candidate needs them. */
export interface CandidatePorts {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Reaches the other coordinators. */
  readonly dialer: Dialer;
}

/**
 * Waits for the office of the active coordinator to be vacant, and takes it. The key that stands for it lives by a lease;
 * a holder that has answered this candidate, and whose address refuses connections now, is removed without waiting for that.
 */
export class Candidate {
  readonly #ports: CandidatePorts;
  readonly #key: string;
  readonly #me: OfficeHolder;
  readonly #leaseMs: Millis;
  #holder: OfficeHolder | undefined;
  /** The term of a holder that has answered: one that never did may be unreachable from here only. */
  #answered: Revision | undefined;

  constructor(ports: CandidatePorts, keys: Keys, me: OfficeHolder, leaseMs: Millis) {
    this.#ports = ports;
    this.#key = keys.election;
    this.#me = me;
    this.#leaseMs = leaseMs;
  }

  /** Who holds the office, as it was last seen. */
  get holder(): OfficeHolder | undefined {
    return this.#holder;
  }

  /** Resolves when this process holds the office. `onHolder` is told once somebody else is seen in it. */
  async win(signal: AbortSignal, onHolder: () => void): Promise<Office> {
    for (;;) {
      await this.#vacancy(signal, onHolder);
      signal.throwIfAborted();
      const office = await this.#take(signal);
      if (office !== undefined) return office;
    }
  }

  async #vacancy(signal: AbortSignal, onHolder: () => void): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const entry = await untilAnswered(this.#ports, signal, () => readKey(this.#ports.store, this.#key));
      this.#holder = entry && officeCodec.decode(entry.key, entry.value);
      if (entry === undefined || this.#holder === undefined) return;
      onHolder();
      if ((await this.#probe(entry, this.#holder)) === 'refused') await this.#depose(entry);
      else await this.#change(entry, signal);
    }
  }

  async #probe({ createRevision }: StoreEntry, { instance, address }: OfficeHolder): Promise<Probed> {
    if (address === '' || instance === this.#me.instance) return 'silent';
    const found = await probe(this.#ports.dialer, address, this.#leaseMs / 3);
    if (found === 'answers') this.#answered = createRevision;
    return found === 'refused' && this.#answered !== createRevision ? 'silent' : found;
  }

  /** Deletes the key as it was seen. Whether that worked shows when it is read again. */
  async #depose({ modRevision }: StoreEntry): Promise<void> {
    const key = this.#key;
    this.#ports.logger.warn('the active coordinator is gone: its address refuses connections', { ...this.#holder });
    try {
      await this.#ports.store.txn([{ key, modRevision }], [{ kind: 'delete', key }]);
    } catch (error) {
      this.#ports.logger.info('the office could not be vacated: looking again', { error });
    }
  }

  /** Resolves when the key has changed, or it is time to look at it again. */
  async #change({ modRevision }: StoreEntry, signal: AbortSignal): Promise<void> {
    const changed = new Wakeup();
    const watch = this.#ports.store.watch(this.#key, revision(modRevision + 1n));
    const first = watch[Symbol.asyncIterator]().next();
    // A watch that breaks is no news: the key is read again at the latest after a third of the lease.
    first.then(
      () => changed.wake(),
      () => {},
    );
    const wake = (): void => changed.wake();
    signal.addEventListener('abort', wake);
    await changed.wait(this.#ports.timers, this.#leaseMs / 3);
    signal.removeEventListener('abort', wake);
    watch.close();
  }

  /** `undefined`: somebody was faster, or it is not known in time who was. */
  async #take(signal: AbortSignal): Promise<Office | undefined> {
    const { store, clock, random, logger } = this.#ports;
    const key = this.#key;
    const leaseMs = this.#leaseMs;
    const lease = await untilAnswered(this.#ports, signal, async () => {
      const askedAt = clock.monotonicMs();
      return { askedAt, leaseMs, lease: await store.grantLease(leaseMs) };
    });
    const nonce = randomName(random);
    const value = officeCodec.encode(this.#me, nonce);
    try {
      await store.txn([{ key, createRevision: 0n }], [{ kind: 'put', key, value, lease: lease.lease }]);
    } catch (error) {
      logger.info('it is not known whether the office was taken: looking', { error });
    }
    const entry = await untilAnswered(this.#ports, signal, () => readKey(store, key));
    if (entry !== undefined && nonceOf(key, entry.value) === nonce) {
      return new Office(this.#ports, { ...lease, term: entry.createRevision });
    }
    // What is still on its way to the store fails without its lease.
    await store.revoke(lease.lease).catch(() => {});
    await sleep(this.#ports.timers, random.next() * 50, signal);
    return undefined;
  }
}
