import type { AppendBudget } from './append-budget.ts';

/**
 * What the client of one append session may still send. The window follows the session's share of the budget: credit is
 * given back in part while the window is too large, and more than it was while it is too small.
 */
export class AppendCredit {
  readonly #budget: AppendBudget;
  readonly #mostBytes: number;
  #windowBytes = 0;
  #leftBytes = 0;
  /** Given, and not said yet. */
  #unsaidBytes = 0;

  constructor(budget: AppendBudget, mostBytes: number) {
    this.#budget = budget;
    this.#mostBytes = mostBytes;
  }

  /** The session shares the budget, until the returned function is called; all of its window may be sent. */
  begin(): () => void {
    const leave = this.#budget.join();
    this.giveBack(0);
    return leave;
  }

  /** The client has sent something when it might not. */
  get isOverdrawn(): boolean {
    return this.#leftBytes <= 0;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  spend(bytes: number): void {
    this.#leftBytes -= bytes;
  }

  giveBack(bytes: number): void {
    const share = this.#budget.windowBytes(this.#mostBytes);
    const given = Math.max(0, bytes + share - this.#windowBytes);
    this.#windowBytes += given - bytes;
    this.#leftBytes += given;
    this.#unsaidBytes += given;
  }

  /** What the client should be told now: nothing, until it is worth a frame. */
  takeUnsaid(): number | undefined {
    if (this.#unsaidBytes < this.#windowBytes / 8) return undefined;
    const bytes = this.#unsaidBytes;
    this.#unsaidBytes = 0;
    return bytes;
  }
}
