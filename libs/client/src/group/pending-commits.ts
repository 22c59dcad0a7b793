import type { MoldauError } from '@moldau/kernel';
import type { CommitResult } from '@moldau/proto/moldau/group/v1/group_pb';

interface Waiting {
  resolve(result: CommitResult): void;
  reject(error: MoldauError): void;
}

/** Commits that were sent on a stream, and are not answered. */
export class PendingCommits {
  readonly #waiting = new Map<bigint, Waiting>();
  #next = 1n;

  /** One more: the number that it is sent under, and what becomes of it. */
  add(): { readonly number: bigint; readonly result: Promise<CommitResult> } {
    const number = this.#next;
    this.#next += 1n;
    const result = new Promise<CommitResult>((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
    return { number, result };
  }

  settle(result: CommitResult): void {
    this.#waiting.get(result.number)?.resolve(result);
    this.#waiting.delete(result.number);
  }

  /** No answers come any more. */
  fail(error: MoldauError): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}
