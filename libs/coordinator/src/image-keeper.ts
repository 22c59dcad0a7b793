import {
  AssertionFailed,
  assert,
  type CancelTimer,
  faults,
  Gate,
  jittered,
  type Logger,
  type Random,
  type Revision,
  repeat,
  sleep,
  type Timers,
} from '@moldau/kernel';
import {
  ClusterImage,
  type ImageDelta,
  type MetadataStore,
  type StoreChange,
  type StoreEvent,
  type StoreWatch,
  UnreadableValue,
} from '@moldau/metadata';
import { listPages, untilAnswered } from './store-access.ts';

type Ports = { store: MetadataStore; timers: Timers; random: Random; logger: Logger };

/** Listing again would only meet it again. */
const isFatal = (error: unknown): error is Error =>
  error instanceof UnreadableValue || error instanceof AssertionFailed;

const relistDelayMs = 100;
const suspicionEveryMs = 60_000;
const catchUpMs = 5_000;

/**
 * Keeps the image equal to the store: lists once, then follows the watch. Whenever the watch ends for any reason, lists
 * again and takes the difference: a watch is believed for what it shows, never for what it does not.
 */
export class ImageKeeper {
  readonly image: ClusterImage;
  readonly #ports: Ports;
  readonly #onFatal: (error: Error) => void;
  readonly #listeners = new Set<(delta: ImageDelta) => void>();
  readonly #moved = new Gate();
  readonly #stopped = new AbortController();
  /** The mod revision of every key: what a listing is compared with. */
  readonly #known = new Map<string, Revision>();
  #watch: StoreWatch | undefined;
  #cancelSuspicion: CancelTimer | undefined;
  #following: Promise<void> | undefined;

  constructor(ports: Ports, clusterId: string, onFatal: (error: Error) => void) {
    this.#ports = ports;
    this.image = new ClusterImage(clusterId);
    this.#onFatal = onFatal;
  }

  /** Resolves when the image holds the whole cluster. Rejects with UnreadableValue. */
  async start(): Promise<void> {
    await untilAnswered(this.#ports, this.#stopped.signal, () => this.#list());
    this.#following = this.#follow();
    this.#cancelSuspicion = repeat(this.#ports.timers, suspicionEveryMs, () => {
      this.#suspect().catch((error: unknown) => this.#ports.logger.debug('could not check the watch', { error }));
    });
  }

  async stop(): Promise<void> {
    this.#cancelSuspicion?.();
    this.#stopped.abort(faults.notServing('the coordinator', 'stopped'));
    this.#watch?.close();
    this.#moved.open();
    await this.#following;
  }

  /** Calls after every change, in order, with the image already there. The listener does not throw. */
  onChange(listener: (delta: ImageDelta) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the image has a change of this revision, which was committed under the cluster's prefix. */
  async reached(revision: Revision): Promise<void> {
    while (this.image.revision < revision) {
      this.#stopped.signal.throwIfAborted();
      await this.#moved.wait();
    }
  }

  async #follow(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        this.#watch = this.#ports.store.watch(this.image.keys.prefix, (this.image.revision + 1n) as Revision);
        for await (const change of this.#watch) this.#take(change);
        if (this.#stopped.signal.aborted) return;
      } catch (error) {
        if (isFatal(error)) return this.#onFatal(error);
        this.#ports.logger.info('the watch of the metadata store ended: listing again', { error });
      }
      if (!(await this.#recover())) return;
    }
  }

  /** Lists again. False: there is nothing more to follow. */
  async #recover(): Promise<boolean> {
    const { timers, random } = this.#ports;
    try {
      await sleep(timers, jittered(random, relistDelayMs), this.#stopped.signal);
      await untilAnswered(this.#ports, this.#stopped.signal, () => this.#list());
      return true;
    } catch (error) {
      if (isFatal(error)) this.#onFatal(error);
      else if (!this.#stopped.signal.aborted) {
        this.#ports.logger.warn('could not list the metadata store: trying again', { error });
        return true;
      }
      return false;
    }
  }

  async #list(): Promise<void> {
    const events: StoreEvent[] = [];
    const seen = new Set<string>();
    let revision: Revision | undefined;
    for await (const page of listPages(this.#ports.store, this.image.keys.prefix)) {
      revision = page.revision;
      for (const entry of page.entries) {
        seen.add(entry.key);
        if (this.#known.get(entry.key) !== entry.modRevision) events.push({ kind: 'put', entry });
      }
    }
    assert(revision !== undefined, 'a listing has a page');
    for (const key of this.#known.keys()) if (!seen.has(key)) events.push({ kind: 'delete', key });
    this.#take({ revision, events });
  }

  #take(change: StoreChange): void {
    if (change.revision < this.image.revision) return;
    for (const event of change.events) {
      if (event.kind === 'put') this.#known.set(event.entry.key, event.entry.modRevision);
      else this.#known.delete(event.key);
    }
    const delta = this.image.apply(change);
    for (const listener of this.#listeners) listener(delta);
    this.#moved.open();
  }

  /** Ends a watch that has fallen silent although there is something to tell. */
  async #suspect(): Promise<void> {
    const watch = this.#watch;
    const { entries } = await this.#ports.store.range(this.image.keys.prefix, { modifiedAfter: this.image.revision });
    const newest = entries.reduce((max, { modRevision }) => (modRevision > max ? modRevision : max), 0n);
    if (newest <= this.image.revision) return;
    await sleep(this.#ports.timers, catchUpMs, this.#stopped.signal);
    if (newest <= this.image.revision || watch !== this.#watch) return;
    this.#ports.logger.warn('the watch of the metadata store is silent: listing again', { newest });
    watch?.close();
  }
}
