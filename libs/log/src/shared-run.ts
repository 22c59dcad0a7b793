/**
 * One task that many wait for. Whoever asks while it runs shares the next run, which sees everything that was there
 * when they asked.
 */
export class SharedRun {
  readonly #task: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(task: () => Promise<void>) {
    this.#task = task;
  }

  request(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const run = this.#task();
      this.#running = run.catch(() => {});
      return run;
    });
    return this.#next;
  }
}
