import {
  type CancelTimer,
  type Gauge,
  type Logger,
  type Meter,
  type Millis,
  type Revision,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { Finding, MetadataStore, StoreStatus } from '@moldau/metadata';

const lookEveryMs: Millis = 30_000;
const looksPerCompaction = 10;
/** Three quarters of what etcd allows by default: above that it takes no more writes. */
const largeBytes = 1.5 * 1024 ** 3;

/**
 * Looks after the store: its size, its alarms, and its history, which is forgotten but for that of the last minutes. A watch
 * that is reopened still finds where it was.
 */
export class StoreCare {
  readonly #ports: { store: MetadataStore; timers: Timers; logger: Logger };
  readonly #size: Gauge;
  #status: StoreStatus | undefined;
  #before: Revision | undefined;
  #looks = 0;
  #cancel: CancelTimer | undefined;
  #running: Promise<void> | undefined;

  constructor(ports: { store: MetadataStore; timers: Timers; logger: Logger; meter: Meter }) {
    this.#ports = ports;
    this.#size = ports.meter.gauge('moldau_coordinator_store_bytes', 'Size of the metadata store');
  }

  start(): void {
    this.#look();
    this.#cancel = repeat(this.#ports.timers, lookEveryMs, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#running;
  }

  /** What an operator has to look at. */
  findings(): Finding[] {
    const { alarms = [], sizeBytes = 0 } = this.#status ?? {};
    const found = alarms.map((alarm): Finding => ({ severity: 'critical', message: `the metadata store: ${alarm}` }));
    if (sizeBytes > largeBytes) {
      const size = `${Math.round(sizeBytes / 1024 ** 2)} MiB`;
      found.push({
        severity: 'warning',
        message: `the metadata store takes ${size}: defragment etcd, or raise its quota`,
      });
    }
    return found;
  }

  #look(): void {
    this.#running ??= this.#care().finally(() => {
      this.#running = undefined;
    });
  }

  async #care(): Promise<void> {
    const { store, logger } = this.#ports;
    try {
      const status = await store.status();
      for (const alarm of status.alarms) {
        if (!this.#status?.alarms.includes(alarm)) logger.error('the metadata store raises an alarm', { alarm });
      }
      this.#status = status;
      this.#size.set(status.sizeBytes);
      this.#looks += 1;
      if (this.#looks % looksPerCompaction !== 0) return;
      if (this.#before !== undefined) await store.compact(this.#before);
      this.#before = status.revision;
    } catch (error) {
      logger.warn('could not look after the metadata store: trying again later', { error });
    }
  }
}
