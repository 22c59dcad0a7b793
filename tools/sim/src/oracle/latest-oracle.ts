import type { Millis } from '@moldau/kernel';
import type { SeededRandom } from '@moldau/testing';
import type { CopyContent } from './copy-content.ts';
import { Violation } from './violation.ts';
import type { WriteState } from './write.ts';

/** One record of one key. */
export interface LatestWrite {
  readonly key: string;
  /** Counts the writes of the key, which come in this order. */
  readonly number: number;
  /** Null: a tombstone. */
  readonly text: string | null;
  readonly invokedMs: Millis;
  state: WriteState;
  offset: bigint | undefined;
}

/** Knows what was written to a compacted partition under keys of which each has one writer, and what readers must find of it. */
export class LatestOracle {
  readonly #writes = new Map<string, LatestWrite[]>();
  /** What was read at an offset, or acknowledged there. */
  readonly #content = new Map<bigint, string>();

  invoke(key: string, isTombstone: boolean, bytes: number, invokedMs: Millis): LatestWrite {
    const all = this.#writes.get(key) ?? [];
    this.#writes.set(key, all);
    const number = all.length;
    const text = isTombstone ? null : `${key}|${number}|${'~'.repeat(bytes)}`;
    const write: LatestWrite = { key, number, text, invokedMs, state: 'pending', offset: undefined };
    all.push(write);
    return write;
  }

  ok(write: LatestWrite, offset: bigint | undefined): void {
    write.state = 'ok';
    write.offset = offset;
    if (offset !== undefined) this.note(offset, nameOf(write));
  }

  /** An offset means one record for ever. */
  note(offset: bigint, name: string): void {
    const before = this.#content.get(offset) ?? name;
    this.#content.set(offset, name);
    if (before === name) return;
    throw new Violation('I18', `the compacted partition holds ${name} at ${offset}, and had ${before} there`);
  }

  someOffset(random: SeededRandom): bigint {
    return BigInt(random.below(this.#content.size + 1));
  }

  writes(key: string): readonly LatestWrite[] {
    return this.#writes.get(key) ?? [];
  }

  /** Somebody begins to read. */
  begin(from: bigint): LatestReading {
    return new LatestReading(this, from, this.newest());
  }

  /** Of each key what was acknowledged last. */
  newest(): ReadonlyMap<string, LatestWrite> {
    const newest = new Map<string, LatestWrite>();
    for (const [key, all] of this.#writes) {
      const write = all.findLast(({ state, offset }) => state === 'ok' && offset !== undefined);
      if (write !== undefined) newest.set(key, write);
    }
    return newest;
  }

  /**
   * One copy was compacted. `committed`: what lies below is. `youngMs`: a tombstone that was asked for since then has not had its
   * time.
   */
  compacted(node: string, { offsets, logStart, highWatermark }: CopyContent, committed: bigint, youngMs: Millis): void {
    for (const [key, newest] of this.newest()) {
      const { number, offset = 0n, text, invokedMs } = newest;
      if (offset < logStart || offset >= highWatermark) continue;
      const first = offsets.get(key)?.find((one) => one >= offset);
      if (first === offset) continue;
      const later = this.writes(key).filter((one) => one.number > number && one.state !== 'not-written');
      if (text === null) {
        if (later.length > 0 || invokedMs < youngMs) continue;
        throw new Violation('I22', `${nameOf(newest)} at ${offset} is gone from ${node} before its time`);
      }
      // A tombstone may have taken its place, and be gone as well.
      if (first === undefined || first < committed || later.some((one) => one.text === null)) continue;
      throw new Violation(
        'I22',
        `${nameOf(newest)} at ${offset} is gone from ${node} for a record at ${first}, and ${committed} is committed`,
      );
    }
  }
}

/** One read, in the order of offsets; it may go on where it ended. */
export class LatestReading {
  readonly #oracle: LatestOracle;
  /** What was acknowledged last when it began, or went on. */
  #newest: ReadonlyMap<string, LatestWrite>;
  readonly #last = new Map<string, bigint>();
  #next: bigint;
  count = 0;

  constructor(oracle: LatestOracle, from: bigint, newest: ReadonlyMap<string, LatestWrite>) {
    this.#oracle = oracle;
    this.#newest = newest;
    this.#next = from;
  }

  /** What comes next. */
  get next(): bigint {
    return this.#next;
  }

  /** It came to the end, and goes on from there. */
  goOn(): void {
    this.#newest = this.#oracle.newest();
  }

  take(key: string, value: string | null, offset: bigint): void {
    if (offset < this.#next) throw new Violation('I18', `a compacted read went back from ${this.#next} to ${offset}`);
    this.#next = offset + 1n;
    this.count += 1;
    this.#last.set(key, offset);
    const all = this.#oracle.writes(key);
    const write = value === null ? undefined : all.find(({ text }) => text === value);
    const isKnown = value === null ? all.some(({ text }) => text === null) : write !== undefined;
    if (!isKnown) throw new Violation('I18', `@${offset} holds ${key} ${value?.slice(0, 30)}, which nobody wrote`);
    if (write?.state === 'not-written') {
      throw new Violation('I16', `${nameOf(write)} was answered NOT_WRITTEN, and is at ${offset}`);
    }
    this.#oracle.note(offset, write === undefined ? tombstoneOf(key) : nameOf(write));
  }

  /** It came to the end. `knowsTombstones`: fast enough to meet each tombstone whose key it met before. */
  end(knowsTombstones: boolean): void {
    for (const [key, newest] of this.#newest) {
      const { number, offset = 0n, text } = newest;
      const last = this.#last.get(key);
      if (last !== undefined && last >= offset) continue;
      // What came behind may have taken its place before it was met.
      if (this.#oracle.writes(key).some((one) => one.number > number && one.state !== 'not-written')) continue;
      if (text === null && (last === undefined || !knowsTombstones)) continue;
      const found = last === undefined ? 'nothing' : `the record at ${last}`;
      throw new Violation('lost', `${nameOf(newest)} was acknowledged at ${offset}, and a reader finds ${found}`);
    }
  }
}

/** Which one of its key it is it does not say. */
const tombstoneOf = (key: string): string => `${key}|tombstone`;

const nameOf = ({ key, number, text }: LatestWrite): string => (text === null ? tombstoneOf(key) : `${key}|${number}`);
