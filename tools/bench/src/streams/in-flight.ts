/** Keeps so many records under way, and not more. */
export class InFlight {
  readonly #max: number;
  #count = 0;
  #room = Promise.withResolvers<void>();
  #failure: Error | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Resolves when there is room for another. Rejects once one has failed. */
  async room(): Promise<void> {
    await this.#until(() => this.#count < this.#max);
  }

  /** Resolves when none is under way. */
  async none(): Promise<void> {
    await this.#until(() => this.#count === 0);
  }

  get isFull(): boolean {
    return this.#count >= this.#max;
  }

  start(): void {
    this.#count += 1;
  }

  done(records = 1): void {
    this.#count -= records;
    this.#wake();
  }

  fail(reason: unknown): void {
    this.#failure ??= reason instanceof Error ? reason : new Error(String(reason));
    this.#wake();
  }

  /** Counts one from now until its promise is over. */
  track(promise: Promise<unknown>): void {
    this.start();
    promise.then(
      () => this.done(),
      (reason) => this.fail(reason),
    );
  }

  #wake(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers<void>();
  }

  async #until(isSo: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (isSo()) return;
      await this.#room.promise;
    }
  }
}
