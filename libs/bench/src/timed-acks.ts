import { type Latencies, LatencyCollector } from './process-use.ts';

/** Times the acknowledgements of a load. It is over with its first loss, or when whoever runs it has had enough. */
export class TimedAcks {
  readonly #latencies = new LatencyCollector();
  readonly #signal: AbortSignal | undefined;
  #loss: { readonly error: unknown } | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** `sinceMs`: by `performance.now`. */
  add(ack: Promise<unknown>, sinceMs: number): void {
    ack.then(
      () => this.#latencies.add(performance.now() - sinceMs),
      (error: unknown) => {
        this.#loss ??= { error };
      },
    );
  }

  /** No more is to be written. */
  get isOver(): boolean {
    return this.#loss !== undefined || this.#signal?.aborted === true;
  }

  get latencies(): Latencies {
    return this.#latencies.latencies;
  }

  /** Throws the first loss: `flush` does not throw what was looked at here. */
  check(): void {
    if (this.#loss !== undefined) throw this.#loss.error;
  }
}
