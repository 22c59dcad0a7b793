import { ByteBudget } from '@moldau/kernel';

/** The least that a session may have in flight, however many there are. */
const minWindowBytes = 64 * 1024;

/**
 * Bounds the bytes that all appends of this node hold in memory before they are durable. Sessions get credit for a part
 * of it each, and wait in line for room before they read on, so flow control reaches the client; unary appends are refused.
 */
export class AppendBudget extends ByteBudget {
  #sessions = 0;

  constructor(limitBytes: number) {
    super('the memory of this node for appends', limitBytes);
  }

  /** One session more shares the budget, until the returned function is called. */
  join(): () => void {
    this.#sessions += 1;
    return () => {
      this.#sessions -= 1;
    };
  }

  /** What one session may have in flight: an even share, and no more than `mostBytes`. */
  windowBytes(mostBytes: number): number {
    const evenShare = Math.floor(this.limitBytes / Math.max(this.#sessions, 1));
    return Math.min(mostBytes, Math.max(minWindowBytes, evenShare));
  }
}
