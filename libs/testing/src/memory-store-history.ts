import { revision as asRevision, type Revision } from '@moldau/kernel';
import {
  type RangeOptions,
  type RangePage,
  rangePageLimit,
  type StoreChange,
  StoreCompacted,
  type StoreEntry,
  type StoreEvent,
  type StoreOp,
} from '@moldau/metadata';

type Version = { readonly modRevision: Revision; readonly entry: StoreEntry | undefined };

/** Every version of every key since the last compaction. */
export class MemoryStoreHistory {
  /** Sorted. A key stays while any version of it is kept. */
  #keys: string[] = [];
  readonly #versions = new Map<string, Version[]>();
  #changes: StoreChange[] = [];
  /** etcd's counting: an empty store is at revision 1. */
  #revision = 1n;
  #oldest = 1n;

  get revision(): bigint {
    return this.#revision;
  }

  get sizeBytes(): number {
    let bytes = 0;
    for (const versions of this.#versions.values()) {
      for (const { entry } of versions) bytes += entry === undefined ? 0 : entry.key.length + entry.value.length;
    }
    return bytes;
  }

  get(key: string, at: bigint = this.#revision): StoreEntry | undefined {
    return this.#versions.get(key)?.findLast((version) => version.modRevision <= at)?.entry;
  }

  range(prefix: string, options: RangeOptions): RangePage {
    const at = options.revision ?? asRevision(this.#revision);
    if (at < this.#oldest) throw new StoreCompacted(at, asRevision(this.#oldest));
    if (at > this.#revision) throw new Error(`revision ${at} is in the future: the store is at ${this.#revision}`);
    const limit = options.limit ?? rangePageLimit;
    const entries: StoreEntry[] = [];
    const first = options.after !== undefined && options.after >= prefix ? options.after : prefix;
    for (let i = this.#lowerBound(first); i < this.#keys.length; i++) {
      const key = this.#keys[i] as string;
      if (!key.startsWith(prefix)) break;
      if (key === options.after) continue;
      const entry = this.get(key, at);
      if (entry === undefined || entry.modRevision <= (options.modifiedAfter ?? 0n)) continue;
      if (entries.length === limit) return { revision: at, entries, more: true };
      entries.push(entry);
    }
    return { revision: at, entries, more: false };
  }

  /** Carries out one branch of a transaction, and returns what its reads found. */
  write(ops: readonly StoreOp[]): (StoreEntry | undefined)[] {
    const next = asRevision(this.#revision + 1n);
    const events: StoreEvent[] = [];
    const read: (StoreEntry | undefined)[] = [];
    for (const op of ops) {
      const before = this.get(op.key, next);
      if (op.kind === 'get') read.push(before);
      if (op.kind === 'put') {
        const createRevision = before?.createRevision ?? next;
        const entry = { key: op.key, value: op.value, createRevision, modRevision: next };
        events.push({ kind: 'put', entry });
        this.#add(op.key, { modRevision: next, entry });
      }
      if (op.kind === 'delete' && before !== undefined) {
        events.push({ kind: 'delete', key: op.key });
        this.#add(op.key, { modRevision: next, entry: undefined });
      }
    }
    if (events.length > 0) {
      this.#revision = next;
      this.#changes.push({ revision: next, events });
    }
    return read;
  }

  /** The first change at or above `from` that touches the prefix. Throws StoreCompacted when it may be gone. */
  changeFrom(prefix: string, from: bigint): StoreChange | undefined {
    if (from < this.#oldest) throw new StoreCompacted(from, asRevision(this.#oldest));
    for (let i = this.#changeIndex(from); i < this.#changes.length; i++) {
      const { revision, events } = this.#changes[i] as StoreChange;
      const wanted = events.filter((event) => keyOf(event).startsWith(prefix));
      if (wanted.length > 0) return { revision, events: wanted };
    }
    return undefined;
  }

  compact(to: Revision): void {
    if (to <= this.#oldest) return;
    if (to > this.#revision) throw new Error(`revision ${to} is in the future: the store is at ${this.#revision}`);
    this.#oldest = to;
    this.#changes = this.#changes.filter((change) => change.revision >= to);
    for (const [key, versions] of this.#versions) {
      const newestBelow = versions.findLastIndex((version) => version.modRevision <= to);
      const kept = versions.filter((v, i) => i > newestBelow || (i === newestBelow && v.entry !== undefined));
      if (kept.length > 0) this.#versions.set(key, kept);
      else this.#versions.delete(key);
    }
    this.#keys = this.#keys.filter((key) => this.#versions.has(key));
  }

  #add(key: string, version: Version): void {
    const versions = this.#versions.get(key);
    if (versions !== undefined) {
      versions.push(version);
      return;
    }
    this.#versions.set(key, [version]);
    this.#keys.splice(this.#lowerBound(key), 0, key);
  }

  #lowerBound(key: string): number {
    return firstIndex(this.#keys, (candidate) => candidate >= key);
  }

  #changeIndex(from: bigint): number {
    return firstIndex(this.#changes, (change) => change.revision >= from);
  }
}

const keyOf = (event: StoreEvent): string => (event.kind === 'put' ? event.entry.key : event.key);

/** The first index of a sorted list for which `reached` holds; its length if there is none. */
function firstIndex<T>(items: readonly T[], reached: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
