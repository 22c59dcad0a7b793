import type { MoldauError, Offset } from '@moldau/kernel';

/** What an append came to. Offsets are absent for a duplicate of which only the fact is still known. */
export interface Appended {
  readonly baseOffset: Offset | undefined;
  readonly lastOffset: Offset | undefined;
  readonly logEnd: Offset;
  /** The log-append time, where the topic stamps it. */
  readonly timestampMs: number | undefined;
}

/** Called exactly once for each append: with an error, or with what it came to. */
export type Settle = (error: MoldauError | undefined, appended: Appended | undefined) => void;

/** An append that has its offsets, and waits to be answered. */
export interface Parked {
  readonly endsAt: Offset;
  /** Present: what to answer instead, once it has its time. */
  readonly error: MoldauError | undefined;
  readonly appended: Appended;
  readonly settle: Settle;
}

/** Appends that wait for a mark of the log to pass them: answered in the order of their arrival. */
export class ParkedAppends {
  #parked: Parked[] = [];

  /** `mark`: where the log's mark stands now. */
  park(parked: Parked, mark: Offset): void {
    if (this.#parked.length === 0 && parked.endsAt <= mark) answer(parked);
    else this.#parked.push(parked);
  }

  /** The mark has moved. */
  release(mark: Offset): void {
    let released = 0;
    for (const parked of this.#parked) {
      if (parked.endsAt > mark) break;
      answer(parked);
      released += 1;
    }
    this.#parked.splice(0, released);
  }

  /** What ends above `from` is not answered otherwise any more. */
  fail(from: Offset, error: MoldauError): void {
    const failed = this.#parked.filter(({ endsAt }) => endsAt > from);
    this.#parked = this.#parked.filter(({ endsAt }) => endsAt <= from);
    for (const { settle } of failed) settle(error, undefined);
  }
}

function answer({ error, appended, settle }: Parked): void {
  if (error === undefined) settle(undefined, appended);
  else settle(error, undefined);
}
