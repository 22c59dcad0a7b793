import { assert, type LeaderEpoch, leaderEpoch, type Offset } from '@moldau/kernel';
import type { ByteReader, ByteWriter } from './binary.ts';

/** A leader epoch, and the first offset that it wrote. */
export interface EpochEntry {
  readonly epoch: LeaderEpoch;
  readonly start: Offset;
}

/** Which leader epoch wrote which offsets: strictly increasing in both. The last one may have written nothing yet. */
export class LeaderEpochs {
  #entries: EpochEntry[] = [];

  /** One epoch alone. */
  static of(entry: EpochEntry): LeaderEpochs {
    const epochs = new LeaderEpochs();
    epochs.#entries.push(entry);
    return epochs;
  }

  /** The last epoch; 0 when there is none. */
  get last(): LeaderEpoch {
    return this.#entries.at(-1)?.epoch ?? leaderEpoch(0);
  }

  /** Where the first one begins. */
  get start(): Offset | undefined {
    return this.#entries[0]?.start;
  }

  /** Notes that `epoch` begins at `start`. Epochs that began there or later wrote nothing: they go. */
  begin(epoch: LeaderEpoch, start: Offset): void {
    assert(epoch > this.last, `epoch ${epoch} does not come behind ${this.last}`);
    this.cutEnd(start);
    this.#entries.push({ epoch, start });
  }

  /** The epoch of the record at `offset`; undefined when it is below the first. */
  epochOf(offset: Offset): LeaderEpoch | undefined {
    return this.covering(offset)?.epoch;
  }

  /** The largest epoch not above `epoch`, and where it ends, in a log that ends at `logEnd`. */
  endOf(epoch: LeaderEpoch, logEnd: Offset): { epoch: LeaderEpoch; end: Offset } | undefined {
    const index = this.#entries.findLastIndex((entry) => entry.epoch <= epoch);
    const found = this.#entries[index];
    if (found === undefined) return undefined;
    return { epoch: found.epoch, end: this.#entries[index + 1]?.start ?? logEnd };
  }

  /** The newest `most` epochs, oldest first. */
  tail(most: number): readonly EpochEntry[] {
    return this.#entries.slice(Math.max(0, this.#entries.length - most));
  }

  /** The epochs that begin in [from, next). */
  within(from: Offset, next: Offset): readonly EpochEntry[] {
    return this.#entries.filter(({ start }) => start >= from && start < next);
  }

  /** The epoch that `offset` falls into; undefined when it is below the first. */
  covering(offset: Offset): EpochEntry | undefined {
    return this.#entries.findLast(({ start }) => start <= offset);
  }

  /**
   * These epochs up to `from`, and behind them the ones that another log lists for [from, next). Those that began here at
   * `from` or later wrote nothing. Undefined: together they would not increase, or one lies outside.
   */
  continuedBy(listed: readonly EpochEntry[], from: Offset, next: Offset): LeaderEpochs | undefined {
    const continued = new LeaderEpochs();
    continued.#entries = this.#entries.filter(({ start }) => start < from);
    for (const { epoch, start } of listed) {
      const least = continued.#entries.at(-1)?.start ?? -1n;
      if (epoch <= continued.last || start <= least || start < from || start >= next) return undefined;
      continued.#entries.push({ epoch, start });
    }
    return continued;
  }

  isSame(other: LeaderEpochs): boolean {
    const others = other.#entries;
    if (others.length !== this.#entries.length) return false;
    return this.#entries.every(({ epoch, start }, i) => others[i]?.epoch === epoch && others[i]?.start === start);
  }

  /** Forgets epochs that began at or above `end`. Returns whether there were any. */
  cutEnd(end: Offset): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.start < end);
    return this.#entries.length < before;
  }

  /** Forgets epochs that ended at or below `start`; the one that covers it stays. */
  cutStart(start: Offset): void {
    const covering = this.#entries.findLastIndex((entry) => entry.start <= start);
    if (covering > 0) this.#entries = this.#entries.slice(covering);
  }

  write(writer: ByteWriter): void {
    writer.u32(this.#entries.length);
    for (const { epoch, start } of this.#entries) writer.u32(epoch).i64(start);
  }

  static read(payload: ByteReader): LeaderEpochs {
    const epochs = new LeaderEpochs();
    for (let left = payload.u32(); left > 0; left -= 1) {
      epochs.#entries.push({ epoch: leaderEpoch(payload.u32()), start: payload.i64() as Offset });
    }
    return epochs;
  }
}
