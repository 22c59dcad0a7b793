import { assert } from '@moldau/kernel';
import { murmur2 } from '@moldau/records';

/** What a key costs beside its own bytes: two slots, an offset, a hash, where its bytes begin and how many there are. */
const entryBytes = 28;
/** What is reserved for the bytes of each key: longer ones take what shorter ones leave. */
const averageKeyBytes = 36;

/**
 * The newest offset of each key, within a memory that is fixed from the start. The keys themselves are kept and compared:
 * two that hash alike are still two, so no record is ever taken for an older one of another key.
 */
export class KeyOffsets {
  readonly #base: bigint;
  readonly #entriesMax: number;
  readonly #slots: Uint32Array;
  readonly #offsets: Float64Array;
  readonly #hashes: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #keys: Uint8Array;
  #count = 0;
  #keysEnd = 0;

  /** `base`: no offset lies below it. */
  constructor(base: bigint, memoryBytes: number) {
    this.#base = base;
    this.#entriesMax = Math.max(1, Math.floor(memoryBytes / (entryBytes + averageKeyBytes)));
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(this.#entriesMax * 2)));
    this.#offsets = new Float64Array(this.#entriesMax);
    this.#hashes = new Uint32Array(this.#entriesMax);
    this.#starts = new Uint32Array(this.#entriesMax);
    this.#lengths = new Uint32Array(this.#entriesMax);
    this.#keys = new Uint8Array(this.#entriesMax * averageKeyBytes);
  }

  /** How many keys it holds. */
  get count(): number {
    return this.#count;
  }

  /** Whether it could hold such a key if it were empty. Of one that it can't hold every record is kept. */
  takes(key: Uint8Array): boolean {
    return key.length <= this.#keys.length;
  }

  /** Notes that the newest record of the key stands at `offset`, which grows from call to call. False: it is full. */
  put(key: Uint8Array, offset: bigint): boolean {
    const hash = murmur2(key) >>> 0;
    const slot = this.#slotOf(key, hash);
    const found = this.#slots[slot] as number;
    if (found !== 0) {
      this.#offsets[found - 1] = Number(offset - this.#base);
      return true;
    }
    if (this.#count === this.#entriesMax || this.#keysEnd + key.length > this.#keys.length) return false;
    assert(offset >= this.#base, 'offsets of keys are counted from the first one');
    const entry = this.#count;
    this.#offsets[entry] = Number(offset - this.#base);
    this.#hashes[entry] = hash;
    this.#starts[entry] = this.#keysEnd;
    this.#lengths[entry] = key.length;
    this.#keys.set(key, this.#keysEnd);
    this.#keysEnd += key.length;
    this.#count += 1;
    this.#slots[slot] = this.#count;
    return true;
  }

  /** Whether a record of that key is known that is newer than the one at `offset`. */
  hasNewer(key: Uint8Array, offset: bigint): boolean {
    const found = this.#slots[this.#slotOf(key, murmur2(key) >>> 0)] as number;
    return found !== 0 && (this.#offsets[found - 1] as number) > Number(offset - this.#base);
  }

  /** The slot that holds the key, or the empty one in which it belongs: half of them always are. */
  #slotOf(key: Uint8Array, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot] as number;
      if (found === 0 || this.#isKey(found - 1, key, hash)) return slot;
    }
  }

  #isKey(entry: number, key: Uint8Array, hash: number): boolean {
    if (this.#hashes[entry] !== hash || this.#lengths[entry] !== key.length) return false;
    const start = this.#starts[entry] as number;
    for (let i = 0; i < key.length; i += 1) if (this.#keys[start + i] !== key[i]) return false;
    return true;
  }
}
