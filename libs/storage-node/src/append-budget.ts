import { faults, Gate } from '@moldau/kernel';

/**
 * Bounds the bytes that all appends of this node hold in memory before they are durable. Sessions wait for room before
 * they read on, so flow control reaches the client; unary appends are refused.
 */
export class AppendBudget {
  readonly #limitBytes: number;
  readonly #room = new Gate();
  #heldBytes = 0;

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

  /** Resolves when there may be room. */
  room(): Promise<void> {
    return this.#room.wait();
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  free(bytes: number): void {
    this.#heldBytes -= bytes;
    if (!this.isFull) this.#room.open();
  }
}
