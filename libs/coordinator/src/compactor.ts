import {
  type CancelTimer,
  type Logger,
  type Meter,
  type Millis,
  type Revision,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';

const everyMs: Millis = 300_000;

/** Forgets the store's history, but for that of the last minutes: a watch that is reopened still finds where it was. */
export class Compactor {
  readonly #ports: { store: MetadataStore; timers: Timers; logger: Logger; meter: Meter };
  #before: Revision | undefined;
  #cancel: CancelTimer | undefined;
  #running: Promise<void> | undefined;

  constructor(ports: { store: MetadataStore; timers: Timers; logger: Logger; meter: Meter }) {
    this.#ports = ports;
  }

  start(): void {
    const size = this.#ports.meter.gauge('moldau_coordinator_store_bytes', 'Size of the metadata store');
    this.#cancel = repeat(this.#ports.timers, everyMs, () => {
      this.#running ??= this.#compact((bytes) => size.set(bytes));
    });
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#running;
  }

  async #compact(observe: (sizeBytes: number) => void): Promise<void> {
    const { store, logger } = this.#ports;
    try {
      const { revision, sizeBytes, alarms } = await store.status();
      observe(sizeBytes);
      for (const alarm of alarms) logger.error('the metadata store raises an alarm', { alarm });
      if (this.#before !== undefined) await store.compact(this.#before);
      this.#before = revision;
    } catch (error) {
      logger.warn('could not compact the metadata store: trying again later', { error });
    } finally {
      this.#running = undefined;
    }
  }
}
