import { faults, Gate } from '@moldau/kernel';

/** Bounds the bytes that all calls and sessions of this process hold at one time. */
export class ByteBudget {
  readonly #name: string;
  readonly #limitBytes: number;
  readonly #room = new Gate();
  #heldBytes = 0;

  /** `name`: for people, when it is full. */
  constructor(name: string, limitBytes: number) {
    this.#name = name;
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
    if (this.isFull) throw faults.overloaded(this.#name, this.#limitBytes);
  }

  /** Resolves when there may be room. */
  room(): Promise<void> {
    return this.#room.wait();
  }

  /** Takes what is here already, even beyond the limit. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** Takes as much of what is wanted as there is room for; returns how much. */
  take(wantedBytes: number): number {
    const taken = Math.max(0, Math.min(wantedBytes, this.#limitBytes - this.#heldBytes));
    this.#heldBytes += taken;
    return taken;
  }

  free(bytes: number): void {
    this.#heldBytes -= bytes;
    if (!this.isFull) this.#room.open();
  }
}
