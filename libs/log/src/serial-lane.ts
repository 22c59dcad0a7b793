/** Runs one task after another. A task that fails leaves the lane open for the next. */
export class SerialLane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task, task);
    this.#last = run.catch(() => {});
    return run;
  }
}
