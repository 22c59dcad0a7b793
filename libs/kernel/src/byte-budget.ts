import * as faults from './faults.ts';

/** Who waits for room. */
interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/**
 * Bounds the bytes that all calls and sessions of a process hold at one time. Whoever finds it full is refused, or waits in
 * line: room is given in the order of arrival, so that together they are never more than one hold beyond the limit.
 */
export class ByteBudget {
  readonly limitBytes: number;
  readonly #name: string;
  #waiting: Waiting[] = [];
  #heldBytes = 0;

  /** `name`: for people, when it is full. */
  constructor(name: string, limitBytes: number) {
    this.#name = name;
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.limitBytes;
  }

  /** Throws OVERLOADED when there is no room. */
  requireRoom(): void {
    if (this.isFull) throw faults.overloaded(this.#name, this.limitBytes);
  }

  /** Holds what is here already, even beyond the limit. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Holds as much of what is wanted as there is room for; returns how much. */
  take(wantedBytes: number): number {
    const taken = Math.max(0, Math.min(wantedBytes, this.limitBytes - this.#heldBytes));
    this.#heldBytes += taken;
    return taken;
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
      if (this.tryHold(bytes)) return resolve(true);
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
