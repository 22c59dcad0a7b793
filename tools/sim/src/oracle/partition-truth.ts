import type { Partition } from '@moldau/storage-node';
import { Violation } from './violation.ts';
import type { Write } from './write.ts';

interface Epoch {
  /** The process that led under it. */
  readonly start: string;
  /** The end of the log when it was last looked at. */
  logEnd: bigint;
  /** A failed write took offsets back. */
  fellBack: boolean;
}

/** Offsets whose bytes on disk were damaged on purpose. */
export interface Damage {
  readonly from: bigint;
  readonly to: bigint;
}

/** What is known for certain of one partition: what was read from it, and how far its numbers have come. */
export class PartitionTruth {
  readonly name: string;
  /** The write and the time that were read at each offset. */
  readonly #content = new Map<bigint, string>();
  readonly #epochs = new Map<number, Epoch>();
  readonly damages: Damage[] = [];
  highWatermark = 0n;
  logStart = 0n;
  #lastEpoch = 0;
  /** Somebody asked to remove what lies below. */
  trimAskedTo = 0n;
  /** What lies below was removed, and answered so. */
  trimmedTo = 0n;
  /** What lies below was read, or acknowledged: it must be committed by the end of this event. */
  #claimed = 0n;
  /** The disk failed in this start of the node, when the high watermark stood here. */
  #failed: { readonly start: string; readonly highWatermark: bigint } | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get content(): ReadonlyMap<bigint, string> {
    return this.#content;
  }

  isDamaged(offset: bigint): boolean {
    return this.damages.some(({ from, to }) => offset >= from && offset < to);
  }

  /** Somebody was told that this offset is committed. */
  claim(offset: bigint): void {
    if (offset >= this.#claimed) this.#claimed = offset + 1n;
  }

  /** A record was read: an offset means the same bytes for ever. */
  read(offset: bigint, content: string): void {
    const before = this.#content.get(offset);
    if (before === undefined) this.#content.set(offset, content);
    else if (before !== content) {
      throw new Violation('I18', `${this.name}@${offset} was ${before}, and is read as ${content} now`);
    }
    this.claim(offset);
  }

  acknowledged(write: Write, offset: bigint): void {
    const content = this.#content.get(offset);
    if (content !== undefined && !content.startsWith(`${write.id} `)) {
      throw new Violation('I17', `${write.id} was acknowledged at ${this.name}@${offset}, where ${content} is`);
    }
    this.claim(offset);
  }

  diskFailed(start: string, highWatermark: bigint): void {
    this.#failed ??= { start, highWatermark };
  }

  /** Looks at the partition of a running node, and returns what has changed in words. */
  look(start: string, { log, role }: Partition): string | undefined {
    const { logStart, highWatermark, durableEnd, writtenEnd, logEnd } = log;
    const leads = role.kind === 'leader';
    const isOrdered =
      logStart <= highWatermark && highWatermark <= durableEnd && durableEnd <= writtenEnd && writtenEnd <= logEnd;
    if (!isOrdered) {
      const numbers = [logStart, highWatermark, durableEnd, writtenEnd, logEnd].join(' ≤ ');
      throw new Violation(
        'order',
        `${this.name} does not hold ${numbers}: start, high watermark, durable, written, end`,
      );
    }
    if (logEnd < this.highWatermark) this.#break('I20', `ends at ${logEnd}, and ${this.highWatermark} was committed`);
    if (logStart > this.trimAskedTo) {
      this.#break('I22', `starts at ${logStart}, and nobody removed beyond ${this.trimAskedTo}`);
    }
    const failed = this.#failed?.start === start ? this.#failed : undefined;
    if (failed !== undefined && highWatermark > failed.highWatermark) {
      this.#break('I21', `committed up to ${highWatermark} on a disk that failed at ${failed.highWatermark}`);
    }
    if (leads) {
      if (highWatermark < this.highWatermark)
        this.#break('I6', `went back from ${this.highWatermark} to ${highWatermark}`);
      if (logStart < this.trimmedTo) this.#break('trim', `starts at ${logStart}, and was trimmed to ${this.trimmedTo}`);
      this.#lookAtEpoch(start, role.epoch, logEnd);
    }
    const moved = highWatermark > this.highWatermark || (leads && role.epoch !== this.#lastEpoch);
    if (highWatermark > this.highWatermark) this.highWatermark = highWatermark;
    if (logStart > this.logStart) this.logStart = logStart;
    if (leads) this.#lastEpoch = role.epoch;
    return moved ? `${this.name} ${logStart}…${highWatermark}…${logEnd} epoch ${this.#lastEpoch}` : undefined;
  }

  /** At the end of an event: nobody was shown more than what is committed. */
  settle(): void {
    if (this.#claimed <= this.highWatermark) return;
    throw new Violation(
      'I18',
      `${this.name}@${this.#claimed - 1n} was given out, and only ${this.highWatermark} is committed`,
    );
  }

  #break(rule: string, what: string): never {
    throw new Violation(rule, `${this.name} ${what}`);
  }

  #lookAtEpoch(start: string, epoch: number, logEnd: bigint): void {
    if (epoch < this.#lastEpoch)
      throw new Violation('I2', `${this.name} went from epoch ${this.#lastEpoch} to ${epoch}`);
    const known = this.#epochs.get(epoch);
    if (known === undefined) {
      this.#epochs.set(epoch, { start, logEnd, fellBack: false });
      return;
    }
    if (known.start !== start) {
      throw new Violation(
        // I1: of one node, and there is none other; I14: of its earlier start.
        known.start.split('.')[0] === start.split('.')[0] ? 'I14' : 'I1',
        `${this.name} is led under epoch ${epoch} by ${start}, after ${known.start}`,
      );
    }
    if (logEnd > known.logEnd && known.fellBack) {
      throw new Violation('I11', `${this.name} hands out offset ${known.logEnd} again under epoch ${epoch}`);
    }
    if (logEnd < known.logEnd) known.fellBack = true;
    known.logEnd = logEnd;
  }
}
