import type { Millis, Offset, ProducerId } from '@moldau/kernel';
import type { BatchHeader } from '@moldau/records';
import { ByteWriter, seal, unseal } from '../binary.ts';
import { extend, judge, type ProducerBatch, type ProducerVerdict, type ProducerWindow } from './producer-window.ts';

// <offset>.producers, version 1, kind MLPR, sealed: the state of all producers as of every batch below that offset.
//
//   offset i64 · producers u32 · producers × { id i64 · epoch u16 · lastActive f64 · entries u16 ·
//   entries × { first sequence u32 · last sequence u32 · base offset i64 · last offset i64 } }
//
// Producers stand in the order of their last batch. A later version may add sections behind them.

const kind = 'MLPR';
const version = 1;
/** More producers than this, and the one that was silent for longest is forgotten: it starts anew as an unknown one. */
const producersMax = 65_536;

interface Known {
  readonly window: ProducerWindow;
  readonly lastActiveMs: Millis;
}

/** What one partition remembers of its idempotent producers. */
export class ProducerTable {
  // In the order of their last batch.
  #known = new Map<bigint, Known>();
  /** Stands last already: a map that is rearranged for each batch is copied again and again. */
  #newest: bigint | undefined;

  get size(): number {
    return this.#known.size;
  }

  windowOf(id: ProducerId): ProducerWindow | undefined {
    return this.#known.get(id)?.window;
  }

  /** Whether it remembers anything of a producer. */
  knows(id: bigint): boolean {
    return this.#known.has(id);
  }

  judge(header: BatchHeader): ProducerVerdict {
    return judge(this.#known.get(header.producerId)?.window, batchOf(header));
  }

  /** Takes in a batch of an idempotent producer that was accepted, or that is read back from the log. */
  take(header: BatchHeader, nowMs: Millis): void {
    const id = header.producerId;
    const before = this.#known.get(id)?.window;
    const window = extend(before, batchOf(header), header.baseOffset as Offset, header.lastOffset as Offset);
    if (id !== this.#newest) this.#known.delete(id);
    this.#known.set(id, { window, lastActiveMs: nowMs });
    this.#newest = id;
    if (this.#known.size <= producersMax) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  /** Forgets producers that were silent since before `beforeMs`. */
  expire(beforeMs: Millis): void {
    for (const [id, known] of this.#known) if (known.lastActiveMs < beforeMs) this.#known.delete(id);
  }

  encode(at: Offset): Uint8Array {
    const writer = new ByteWriter(64 + this.#known.size * 64).i64(at).u32(this.#known.size);
    for (const [id, { window, lastActiveMs }] of this.#known) {
      writer.i64(id).u16(window.epoch).f64(lastActiveMs).u16(window.entries.length);
      for (const entry of window.entries) {
        writer.u32(entry.firstSequence).u32(entry.lastSequence).i64(entry.baseOffset).i64(entry.lastOffset);
      }
    }
    return seal(kind, version, writer.finish());
  }

  /** The producers in a snapshot's bytes, or undefined when they are damaged or of another offset. */
  static decode(bytes: Uint8Array, at: Offset): ProducerTable | undefined {
    const unsealed = unseal(kind, version, bytes);
    if (unsealed.kind !== 'ok' || unsealed.payload.i64() !== at) return undefined;
    const { payload } = unsealed;
    const table = new ProducerTable();
    for (let left = payload.u32(); left > 0; left -= 1) {
      const id = payload.i64();
      const epoch = payload.u16();
      const lastActiveMs = payload.f64();
      const entries = Array.from({ length: payload.u16() }, () => ({
        firstSequence: payload.u32(),
        lastSequence: payload.u32(),
        baseOffset: payload.i64() as Offset,
        lastOffset: payload.i64() as Offset,
      }));
      table.#known.set(id, { window: { epoch, entries }, lastActiveMs });
    }
    return table;
  }
}

/** Of the records that it was written with: compaction may have removed some since, and keeps the range of offsets. */
const batchOf = (header: BatchHeader): ProducerBatch => ({
  epoch: header.producerEpoch,
  firstSequence: header.baseSequence,
  recordsCount: header.lastOffsetDelta + 1,
});
