import type { Counter, Meter } from '@moldau/kernel';

/** What scrubbing counts. */
export class ScrubMetrics {
  readonly #bytes: Counter;
  readonly #findings: Readonly<Record<'damaged' | 'diverged', Counter>>;

  constructor(meter: Meter) {
    this.#bytes = meter.counter(
      'moldau_storage_node_scrubbed_bytes_total',
      'Bytes that were read from disk to be checked',
    );
    const findings = (kind: string): Counter =>
      meter.counter('moldau_storage_node_scrub_findings_total', 'Ranges that were not as they must be', { kind });
    this.#findings = { damaged: findings('damaged'), diverged: findings('diverged') };
  }

  scrubbed(bytes: number): void {
    this.#bytes.add(bytes);
  }

  found(kind: 'damaged' | 'diverged'): void {
    this.#findings[kind].add();
  }
}
