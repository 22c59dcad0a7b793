import { faults } from '@moldau/kernel';

/** Who waits for room. */
interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/** The least that a session may have in flight, however many there are. */
const minWindowBytes = 64 * 1024;

/**
 * Bounds the bytes that all appends of this node hold in memory before they are durable. Sessions get credit for a part
 * of it each, and wait in line for room before they read on, so flow control reaches the client; unary appends are refused.
 */
export class AppendBudget {
  readonly #limitBytes: number;
  #waiting: Waiting[] = [];
  #heldBytes = 0;
  #sessions = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.#limitBytes;
  }

  /** Throws OVERLOADED when there is no room. */
  requireRoom(): void {
    if (this.isFull) throw faults.overloaded('the memory of this node for appends', this.#limitBytes);
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
    const evenShare = Math.floor(this.#limitBytes / Math.max(this.#sessions, 1));
    return Math.min(mostBytes, Math.max(minWindowBytes, evenShare));
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Holds the bytes if there is room, and nobody waits for it. One hold may go beyond the limit. */
  tryHold(bytes: number): boolean {
    if (this.isFull || this.#waiting.length > 0) return false;
    this.hold(bytes);
    return true;
  }

  /** Holds the bytes when it is their turn. False: the signal was aborted first, and nothing is held. */
  holdInTurn(bytes: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        resolve(false);
      };
      const waiting: Waiting = {
        bytes,
        admit: () => {
          signal.removeEventListener('abort', leave);
          resolve(true);
        },
      };
      if (signal.aborted) return resolve(false);
      this.#waiting.push(waiting);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  free(bytes: number): void {
    this.#heldBytes -= bytes;
    while (!this.isFull) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.hold(next.bytes);
      next.admit();
    }
  }
}
