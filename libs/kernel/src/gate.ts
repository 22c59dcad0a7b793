/** Something to wait for that happens again and again: `open` wakes everyone who waits now. */
export class Gate {
  #waiting: (() => void)[] = [];

  /** Resolves with the next `open`. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  open(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
