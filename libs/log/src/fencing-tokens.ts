import { assert, type Offset } from '@moldau/kernel';
import type { ByteReader, ByteWriter } from './binary.ts';

/** A fencing token, and the offset of the control record that raised it. */
export interface TokenEntry {
  readonly token: bigint;
  readonly at: Offset;
}

/**
 * Which control record raised the partition's fencing token to what: strictly increasing in both. Kept with the leader epochs
 * and cut as they are, so that a truncation takes a token back, and no removal of old records does.
 */
export class FencingTokens {
  #entries: TokenEntry[] = [];

  /** One token alone; without one: none. */
  static of(entry: TokenEntry | undefined): FencingTokens {
    const tokens = new FencingTokens();
    if (entry !== undefined) tokens.#entries.push(entry);
    return tokens;
  }

  /** The token in force; undefined: there is none, which is lower than any. */
  get last(): TokenEntry | undefined {
    return this.#entries.at(-1);
  }

  /** The token in force before the record at `end`. */
  before(end: Offset): TokenEntry | undefined {
    return this.#entries.findLast(({ at }) => at < end);
  }

  /** Notes that the record at `at` raises the token. Of those that stand below `committed`, and are never cut, the last one stays. */
  raise(token: bigint, at: Offset, committed: Offset): void {
    const { last } = this;
    assert(last === undefined || (token > last.token && at > last.at), `token ${token} at ${at} does not come behind`);
    const kept = this.#entries.findLastIndex((entry) => entry.at < committed);
    this.#entries = [...this.#entries.slice(Math.max(0, kept)), { token, at }];
  }

  /** Forgets tokens that were raised at or above `end`. Returns whether there were any. */
  cutEnd(end: Offset): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter(({ at }) => at < end);
    return this.#entries.length < before;
  }

  write(writer: ByteWriter): void {
    writer.u32(this.#entries.length);
    for (const { token, at } of this.#entries) writer.i64(token).i64(at);
  }

  static read(payload: ByteReader): FencingTokens {
    const tokens = new FencingTokens();
    for (let left = payload.u32(); left > 0; left -= 1) {
      tokens.#entries.push({ token: payload.i64(), at: payload.i64() as Offset });
    }
    return tokens;
  }
}
