import type { CancelTimer, Clock, Millis, Timers } from '@moldau/kernel';

/** Node runs every promise chain to its end between two callbacks of one round, and asks the system only between rounds. */
const turnsPerRound = 64;

/** The shortest wait that is one: far below what real timers tell apart. */
const leastMs: Millis = 0.001;

type Entry = { readonly at: Millis; readonly callback: () => void };

/**
 * A clock that only moves when it is told to. Timers fire in the order of their times, and of their making where those
 * are equal. Between two of them every promise chain that can go on does so: a run is a function of its inputs alone.
 */
export class VirtualTime implements Clock, Timers {
  #now: Millis = 0;
  #wallOffset: Millis;
  // Kept sorted by time; equal times stand in the order of their making.
  readonly #entries: Entry[] = [];

  constructor(wallStartMs: Millis = Date.UTC(2030, 0, 1)) {
    this.#wallOffset = wallStartMs;
  }

  wallMs(): Millis {
    return Math.floor(this.#now + this.#wallOffset);
  }

  monotonicMs(): Millis {
    return this.#now;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#entries.length;
  }

  /** Moves the wall clock alone, either way: what an operator or NTP does. */
  jumpWall(ms: Millis): void {
    this.#wallOffset += ms;
  }

  after(afterMs: Millis, callback: () => void): CancelTimer {
    // A wait so short that it is lost in the sum would let a timer that sets itself again stop the time.
    const wait = afterMs > 0 ? Math.max(leastMs, afterMs) : 0;
    const entry = { at: this.#now + wait, callback };
    this.#entries.splice(this.#placeOf(entry.at), 0, entry);
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index >= 0) this.#entries.splice(index, 1);
    };
  }

  /** Fires the earliest timer. False: there is none. */
  step(): boolean {
    const entry = this.#entries.shift();
    if (entry === undefined) return false;
    this.#now = entry.at;
    entry.callback();
    return true;
  }

  /** Lets `ms` pass, with everything that falls due in them. */
  async runFor(ms: Millis): Promise<void> {
    const end = this.#now + ms;
    await this.#turn(() => {
      const next = this.#entries[0];
      if (next === undefined || next.at > end) return true;
      this.step();
      return false;
    });
    this.#now = end;
  }

  /** Lets time pass until `predicate` holds. Throws when it doesn't within `maxMs`, or when nothing is left to happen. */
  async runUntil(predicate: () => boolean, maxMs: Millis = 60_000): Promise<void> {
    const end = this.#now + maxMs;
    await this.#turn(() => {
      if (predicate()) return true;
      const next = this.#entries[0];
      if (next === undefined) throw new Error('nothing is left to happen, and the condition does not hold');
      if (next.at > end) throw new Error(`the condition does not hold after ${maxMs} virtual ms`);
      this.step();
      return false;
    });
  }

  /** Lets time pass until `promise` settles, and returns what it gives. */
  async run<T>(promise: Promise<T>, maxMs: Millis = 600_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.runUntil(() => settled, maxMs);
    return promise;
  }

  /** Calls `turn` until it returns true; before each call every promise chain that can go on has done so. */
  #turn(turn: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const one = (): void => {
        if (isOver) return;
        try {
          isOver = turn();
        } catch (error) {
          isOver = true;
          return reject(error);
        }
        if (isOver) resolve();
      };
      const round = (): void => {
        if (isOver) return;
        for (let i = 0; i < turnsPerRound; i += 1) setImmediate(one);
        setImmediate(round);
      };
      round();
    });
  }

  #placeOf(at: Millis): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
