import type { CancelTimer, Millis, Timers } from '@moldau/kernel';
import type { StoredRecord } from '@moldau/records';
import type { FetchSource } from './fetch-source.ts';
import { FetchedRecords } from './fetched-batches.ts';
import type { Reader } from './reader.ts';

/** What a record becomes when its turn comes. Throws what a codec throws: that record is passed over then. */
export type Make<R> = (source: FetchSource, record: StoredRecord) => R;

/** The records of a reader, one by one. Decoded when they are given out: a record that a codec refuses costs no other. */
export class RecordFeed {
  readonly #reader: Reader;
  readonly #timers: Timers;
  #open: { readonly source: FetchSource; readonly records: FetchedRecords } | undefined;

  constructor(reader: Reader, timers: Timers) {
    this.#reader = reader;
    this.#timers = timers;
  }

  /** The next record of what is here. `undefined`: that has been given out. Throws what `make` throws, and CORRUPT_BATCH. */
  take<R>(make: Make<R>): R | undefined {
    for (;;) {
      const record = this.#open?.records.next();
      if (this.#open !== undefined && record !== undefined) return make(this.#open.source, record);
      const fetched = this.#reader.take();
      this.#open = fetched && { source: fetched.source, records: new FetchedRecords(fetched) };
      if (fetched === undefined) return undefined;
    }
  }

  /** Adds what comes within the time. Returns why the next one can't be given, if that is so. */
  async fillUp<R>(
    records: R[],
    make: Make<R>,
    maxRecords: number,
    maxWaitMs: Millis,
  ): Promise<{ readonly error: unknown } | undefined> {
    const waited = new AbortController();
    let cancel: CancelTimer | undefined;
    try {
      while (records.length < maxRecords) {
        const record = this.take(make);
        if (record !== undefined) records.push(record);
        else {
          cancel ??= this.#timers.after(maxWaitMs, () => waited.abort());
          if (!(await this.#reader.arrived(waited.signal))) return undefined;
        }
      }
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      cancel?.();
    }
  }

  /** Drops what was read ahead of a source. */
  drop(source: FetchSource): void {
    if (this.#open?.source === source) this.#open = undefined;
  }

  dropAll(): void {
    this.#open = undefined;
  }

  /** True when all that was taken from the reader has been given out. */
  get isEmpty(): boolean {
    return this.#open === undefined || this.#open.records.isEmpty;
  }
}
