/** How long each of several partitions stood still, at the longest. */
export class Standstill {
  readonly #lastAt: number[];
  readonly #longestMs: number[];
  readonly #counts: number[];

  constructor(partitions: number) {
    this.#lastAt = Array<number>(partitions).fill(performance.now());
    this.#longestMs = Array<number>(partitions).fill(0);
    this.#counts = Array<number>(partitions).fill(0);
  }

  /** Something of that partition has come. */
  moved(partition: number): void {
    const now = performance.now();
    this.#longestMs[partition] = this.#of(partition, now);
    this.#lastAt[partition] = now;
    this.#counts[partition] = (this.#counts[partition] ?? 0) + 1;
  }

  /** Since the last `forget`, by partition; one that stands still now counts with what it has so far. */
  get longestMs(): number[] {
    const now = performance.now();
    return this.#lastAt.map((_, partition) => Math.round(this.#of(partition, now)));
  }

  /** How often each has moved, ever. */
  get counts(): readonly number[] {
    return [...this.#counts];
  }

  forget(): void {
    this.#longestMs.fill(0);
  }

  #of(partition: number, now: number): number {
    return Math.max(this.#longestMs[partition] ?? 0, now - (this.#lastAt[partition] ?? now));
  }
}
