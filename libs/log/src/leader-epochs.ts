import { assert, type LeaderEpoch, leaderEpoch, type Offset } from '@moldau/kernel';
import { ByteWriter, seal, unseal } from './binary.ts';

// leader-epochs, version 1, kind MLEP, sealed: entries u32 · entries × { epoch u32 · start offset i64 }

const kind = 'MLEP';
const version = 1;

export interface EpochEntry {
  readonly epoch: LeaderEpoch;
  readonly start: Offset;
}

/** Which leader epoch wrote which offsets: strictly increasing in both. */
export class LeaderEpochs {
  #entries: EpochEntry[] = [];

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** The last epoch; 0 when there is none. */
  get last(): LeaderEpoch {
    return this.#entries.at(-1)?.epoch ?? leaderEpoch(0);
  }

  /** Notes that `epoch` begins at `start`. Epochs that began there or later wrote nothing: they go. */
  begin(epoch: LeaderEpoch, start: Offset): void {
    assert(epoch > this.last, `epoch ${epoch} does not come behind ${this.last}`);
    this.cutEnd(start);
    this.#entries.push({ epoch, start });
  }

  /** The epoch of the record at `offset`; undefined when it is below the first. */
  epochOf(offset: Offset): LeaderEpoch | undefined {
    return this.#entries.findLast((entry) => entry.start <= offset)?.epoch;
  }

  /** The largest epoch not above `epoch`, and where it ends, in a log that ends at `logEnd`. */
  endOf(epoch: LeaderEpoch, logEnd: Offset): { epoch: LeaderEpoch; end: Offset } | undefined {
    const index = this.#entries.findLastIndex((entry) => entry.epoch <= epoch);
    const found = this.#entries[index];
    if (found === undefined) return undefined;
    return { epoch: found.epoch, end: this.#entries[index + 1]?.start ?? logEnd };
  }

  /** Forgets epochs that began at or above `end`. */
  cutEnd(end: Offset): void {
    this.#entries = this.#entries.filter((entry) => entry.start < end);
  }

  /** Forgets epochs that ended at or below `start`; the one that covers it stays. */
  cutStart(start: Offset): void {
    const covering = this.#entries.findLastIndex((entry) => entry.start <= start);
    if (covering > 0) this.#entries = this.#entries.slice(covering);
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(4 + this.#entries.length * 12).u32(this.#entries.length);
    for (const { epoch, start } of this.#entries) writer.u32(epoch).i64(start);
    return seal(kind, version, writer.finish());
  }

  /** The epochs in a file's bytes, or undefined when they are damaged. */
  static decode(bytes: Uint8Array): LeaderEpochs | undefined {
    const unsealed = unseal(kind, version, bytes);
    if (unsealed.kind !== 'ok') return undefined;
    const epochs = new LeaderEpochs();
    for (let left = unsealed.payload.u32(); left > 0; left -= 1) {
      epochs.#entries.push({ epoch: leaderEpoch(unsealed.payload.u32()), start: unsealed.payload.i64() as Offset });
    }
    return epochs;
  }
}
