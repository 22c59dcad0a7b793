import type { ByteBudget } from '@moldau/kernel';

/** What one node was granted of a client's credit. */
export interface CreditLine {
  /** Granted, and not used. Negative: the last batch was larger than the rest. */
  outstandingBytes: number;
  /** What of it is taken from the memory of the process. */
  reservedBytes: number;
  /** What it may have outstanding: grows while it is used, so that nodes with little to send keep little. */
  wantedBytes: number;
}

const firstWantedBytes = 128 * 1024;

export const newLine = (): CreditLine => ({ outstandingBytes: 0, reservedBytes: 0, wantedBytes: firstWantedBytes });

/**
 * Shares the credit that a client gave among the nodes that it reads from. What is out with the nodes is never more than
 * the client gave and did not get, nor than the window; but each of them may always have one batch on its way, so that a
 * node with much to send, or with nothing, keeps no other from sending.
 */
export class CreditPool {
  readonly #windowBytes: number;
  readonly #budget: ByteBudget;
  readonly #lines = new Set<CreditLine>();
  #leftBytes = 0;

  constructor(windowBytes: number, budget: ByteBudget) {
    this.#windowBytes = windowBytes;
    this.#budget = budget;
  }

  /** What the client gave and did not get. Negative: the last batch was larger than the rest. */
  get leftBytes(): number {
    return this.#leftBytes;
  }

  /** The client gives credit. */
  give(bytes: bigint): void {
    this.#leftBytes = Math.min(this.#leftBytes + Number(bytes), Number.MAX_SAFE_INTEGER);
  }

  /** The client is sent so much. */
  spend(bytes: number): void {
    this.#leftBytes -= bytes;
  }

  add(line: CreditLine): void {
    this.#lines.add(line);
  }

  /** Whatever a node was granted is void. */
  remove(line: CreditLine): void {
    if (!this.#lines.delete(line)) return;
    this.#budget.free(line.reservedBytes);
    line.reservedBytes = 0;
  }

  /** A node has sent so much. It counts in the memory of the process until `free`. */
  received(line: CreditLine, bytes: number): void {
    const reserved = Math.min(bytes, line.reservedBytes);
    line.reservedBytes -= reserved;
    this.#budget.hold(bytes - reserved);
    line.outstandingBytes -= bytes;
    if (line.outstandingBytes > line.wantedBytes / 2) return;
    line.wantedBytes = Math.min(line.wantedBytes * 2, this.#windowBytes);
  }

  /** So much of what was received has left this process. */
  free(bytes: number): void {
    this.#budget.free(bytes);
  }

  /** What is to be granted to a node now. 0: nothing. */
  grant(line: CreditLine): number {
    if (this.#leftBytes <= 0) return 0;
    const fairBytes = Math.floor(Math.min(this.#leftBytes, this.#windowBytes) / this.#lines.size);
    const targetBytes = Math.min(line.wantedBytes, fairBytes);
    if (line.outstandingBytes > targetBytes / 2) return 0;
    const reserved = this.#budget.take(Math.min(targetBytes - line.outstandingBytes, this.#freeBytes()));
    line.reservedBytes += reserved;
    const granted = Math.max(reserved, 1 - line.outstandingBytes);
    line.outstandingBytes += granted;
    return granted;
  }

  /** What no node was granted yet. */
  #freeBytes(): number {
    let freeBytes = Math.min(this.#leftBytes, this.#windowBytes);
    for (const { outstandingBytes } of this.#lines) freeBytes -= Math.max(0, outstandingBytes);
    return Math.max(0, freeBytes);
  }
}
