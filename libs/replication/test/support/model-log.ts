import { assert, type LeaderEpoch, leaderEpoch, type Offset, offset } from '@moldau/kernel';
import type { CopyView, EpochStart } from '../../src/index.ts';

/** A record of the model: offsets are places in the log. */
export interface ModelRecord {
  readonly epoch: LeaderEpoch;
  readonly value: string;
}

/** A log in memory. What is above `durableEnd` goes with a crash, and so does what was learned since the last checkpoint. */
export class ModelLog implements CopyView {
  logStart: Offset = offset(0);
  durableEnd: Offset = offset(0);
  highWatermark: Offset = offset(0);
  /** Nothing is compacted here but what a test says. */
  tombstoneEnd: Offset = offset(0);
  supersededEnd: Offset = offset(0);
  isCorrupt = false;
  epochs: readonly EpochStart[] = [];
  #records: ModelRecord[] = [];
  #checkpoint = { logStart: offset(0), highWatermark: offset(0) };

  /** `a5 b5 c6`: values with their epochs, from offset 0, durable and not committed. */
  static of(text: string): ModelLog {
    const log = new ModelLog();
    for (const word of text.split(' ').filter((one) => one !== '')) {
      log.append([{ value: word.slice(0, 1), epoch: leaderEpoch(Number(word.slice(1))) }]);
    }
    log.sync();
    return log;
  }

  get writtenEnd(): Offset {
    return offset(this.logStart + BigInt(this.#records.length));
  }

  get lastEpoch(): LeaderEpoch {
    const { writtenEnd } = this;
    if (writtenEnd === this.logStart) return this.epochs.at(-1)?.epoch ?? leaderEpoch(0);
    return this.epochOf(offset(writtenEnd - 1n)) ?? leaderEpoch(0);
  }

  at(place: bigint): ModelRecord | undefined {
    return place < this.logStart ? undefined : this.#records[Number(place - this.logStart)];
  }

  from(place: bigint): readonly ModelRecord[] {
    return this.#records.slice(Number(place - this.logStart));
  }

  epochOf(place: Offset): LeaderEpoch | undefined {
    return this.epochs.findLast(({ start }) => start <= place)?.epoch;
  }

  epochEnd(epoch: LeaderEpoch): { epoch: LeaderEpoch; end: Offset } | undefined {
    const i = this.epochs.findLastIndex((entry) => entry.epoch <= epoch);
    const found = this.epochs[i];
    return found && { epoch: found.epoch, end: this.epochs[i + 1]?.start ?? this.writtenEnd };
  }

  /** Appends under epochs that the records bring, as a leader does. */
  append(records: readonly ModelRecord[]): void {
    for (const record of records) {
      if (record.epoch !== this.epochs.at(-1)?.epoch) this.note({ epoch: record.epoch, start: this.writtenEnd });
      this.#records.push(record);
    }
  }

  /**
   * Appends as a follower does: epochs come from the leader alone, and those that had begun at the end here wrote nothing.
   * False: the records are of other epochs than that, and nothing was taken.
   */
  copy(records: readonly ModelRecord[], listed: readonly EpochStart[]): boolean {
    const end = this.writtenEnd;
    const epochs = [...this.epochs.filter(({ start }) => start < end), ...listed];
    const epochAt = (place: bigint): LeaderEpoch | undefined => epochs.findLast(({ start }) => start <= place)?.epoch;
    if (!records.every(({ epoch }, i) => epochAt(end + BigInt(i)) === epoch)) return false;
    this.epochs = epochs;
    this.#records.push(...records);
    return true;
  }

  note(entry: EpochStart): void {
    const last = this.epochs.at(-1);
    if (last?.epoch === entry.epoch) return;
    assert(last === undefined || last.epoch < entry.epoch, 'epochs grow');
    this.epochs = [...this.epochs.filter(({ start }) => start < entry.start), entry];
  }

  sync(): void {
    this.durableEnd = this.writtenEnd;
  }

  checkpoint(): void {
    this.#checkpoint = { logStart: this.logStart, highWatermark: this.highWatermark };
  }

  commit(end: Offset): void {
    if (end > this.highWatermark) this.highWatermark = end;
  }

  learn(highWatermark: Offset, logStart: Offset): void {
    this.commit(highWatermark < this.durableEnd ? highWatermark : this.durableEnd);
    this.trim(logStart < this.highWatermark ? logStart : this.highWatermark);
  }

  trim(to: Offset): void {
    if (to <= this.logStart) return;
    this.#records = this.#records.slice(Number(to - this.logStart));
    this.logStart = to;
    const covering = this.epochs.findLastIndex(({ start }) => start <= to);
    this.epochs = this.epochs.slice(Math.max(0, covering));
  }

  truncate(to: Offset): void {
    this.#records.length = Number(to - this.logStart);
    this.epochs = this.epochs.filter(({ start }) => start < to);
    this.durableEnd = to;
    if (this.highWatermark > to) this.highWatermark = to;
    this.checkpoint();
  }

  reset(to: Offset, covering: EpochStart | undefined): void {
    this.#records = [];
    this.isCorrupt = false;
    this.epochs = covering === undefined ? [] : [covering];
    this.logStart = to;
    this.durableEnd = to;
    this.highWatermark = to;
    this.checkpoint();
  }

  /** What survives a kill. `lost`: so many durable records go too, which a good disk never does. */
  crash(lost = 0): void {
    const kept = this.durableEnd - BigInt(lost);
    const end = kept < this.logStart ? this.logStart : offset(kept);
    this.#records.length = Number(end - this.logStart);
    this.epochs = this.epochs.filter(({ start }) => start < end);
    this.durableEnd = end;
    const { highWatermark } = this.#checkpoint;
    const known = highWatermark < this.logStart ? this.logStart : highWatermark;
    this.highWatermark = known < end ? known : end;
  }

  toString(): string {
    const records = this.#records.map(({ value, epoch }, i) => {
      const place = this.logStart + BigInt(i);
      return `${place === this.durableEnd ? '~ ' : ''}${value}${epoch}`;
    });
    const from = this.logStart === 0n ? '' : `@${this.logStart} `;
    return `${from}${records.join(' ') || '-'} hw ${this.highWatermark}`;
  }
}
