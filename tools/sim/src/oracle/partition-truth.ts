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
  /** In the only copy: it is gone for good. */
  readonly damages: Damage[] = [];
  /** In one copy of several: it may be refused for a while, and is there in the end. */
  readonly wounds: Damage[] = [];
  highWatermark = 0n;
  logStart = 0n;
  #lastEpoch = 0;
  /** Of each process: the last epoch that it knew, and its high watermark. */
  readonly #starts = new Map<string, { epoch: number; highWatermark: bigint }>();
  /** Somebody asked to remove what lies below. */
  trimAskedTo = 0n;
  /** What lies below was removed, and answered so. */
  trimmedTo = 0n;
  /** What lies below was read, or acknowledged: it must be committed by the end of this event. */
  #claimed = 0n;
  /** The disk failed in these starts of nodes, when this was durable. */
  readonly #failed = new Map<string, bigint>();

  constructor(name: string) {
    this.name = name;
  }

  get content(): ReadonlyMap<bigint, string> {
    return this.#content;
  }

  isDamaged(offset: bigint): boolean {
    return this.damages.some(({ from, to }) => offset >= from && offset < to);
  }

  /** Whether a reader may be refused it now. */
  isWounded(offset: bigint): boolean {
    return this.isDamaged(offset) || this.wounds.some(({ from, to }) => offset >= from && offset < to);
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

  diskFailed(start: string, durableEnd: bigint): void {
    if (!this.#failed.has(start)) this.#failed.set(start, durableEnd);
  }

  /** Looks at the partition of a running node, and returns what has changed in words. */
  look(start: string, { log, role, leading }: Partition): string | undefined {
    const { logStart, highWatermark, durableEnd, writtenEnd, logEnd } = log;
    const isOrdered =
      logStart <= highWatermark && highWatermark <= durableEnd && durableEnd <= writtenEnd && writtenEnd <= logEnd;
    if (!isOrdered) {
      const numbers = [logStart, highWatermark, durableEnd, writtenEnd, logEnd].join(' ≤ ');
      throw new Violation(
        'order',
        `${this.name} does not hold ${numbers}: start, high watermark, durable, written, end`,
      );
    }
    if (logStart > this.trimAskedTo) {
      this.#break('I22', `starts at ${logStart}, and nobody removed beyond ${this.trimAskedTo}`);
    }
    const failedAt = this.#failed.get(start);
    if (failedAt !== undefined && durableEnd > failedAt) {
      this.#break('I21', `is durable up to ${durableEnd} on a disk that failed at ${failedAt}`);
    }
    const known = this.#starts.get(start) ?? { epoch: 0, highWatermark: 0n };
    this.#starts.set(start, known);
    // A copy that begins anew has nothing.
    if (highWatermark < known.highWatermark && highWatermark !== logEnd) {
      this.#break('I6', `goes back from ${known.highWatermark} to ${highWatermark} in ${start}`);
    }
    known.highWatermark = highWatermark;
    if (role.kind !== 'removed') {
      if (role.epoch < known.epoch) this.#break('I2', `went from epoch ${known.epoch} to ${role.epoch} in ${start}`);
      known.epoch = role.epoch;
    }
    const leads = role.kind === 'leader' && leading !== undefined;
    if (leads) this.#lookAtEpoch(start, role.epoch, logEnd);
    const isNewest = leads && role.epoch >= this.#lastEpoch;
    const moved = highWatermark > this.highWatermark || (isNewest && role.epoch !== this.#lastEpoch);
    if (highWatermark > this.highWatermark) this.highWatermark = highWatermark;
    if (logStart > this.logStart) this.logStart = logStart;
    if (isNewest) {
      this.#lastEpoch = role.epoch;
      this.#lookAtLeader(start, { logStart, highWatermark, logEnd }, leading.knowsCommitted);
    }
    return moved ? `${this.name} ${logStart}…${highWatermark}…${logEnd} epoch ${this.#lastEpoch}` : undefined;
  }

  /** Whoever leads under the newest epoch has everything. */
  #lookAtLeader(
    start: string,
    { logStart, highWatermark, logEnd }: { logStart: bigint; highWatermark: bigint; logEnd: bigint },
    knowsCommitted: boolean,
  ): void {
    if (logEnd < this.highWatermark) {
      this.#break('I9', `ends at ${logEnd} where ${start} leads, and ${this.highWatermark} was committed`);
    }
    if (knowsCommitted && highWatermark < this.highWatermark) {
      this.#break('I6', `went back from ${this.highWatermark} to ${highWatermark}, where ${start} leads`);
    }
    if (logStart < this.trimmedTo) this.#break('trim', `starts at ${logStart}, and was trimmed to ${this.trimmedTo}`);
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
    const known = this.#epochs.get(epoch);
    if (known === undefined) {
      this.#epochs.set(epoch, { start, logEnd, fellBack: false });
      return;
    }
    if (known.start !== start) {
      throw new Violation(
        // I1: of another node; I14: of an earlier start of the same.
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
