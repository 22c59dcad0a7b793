import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { revision as asRevision, assert, type Revision } from '@moldau/kernel';
import {
  type Compare,
  type LeaseId,
  type RangeOptions,
  type RangePage,
  rangePageLimit,
  type StoreChange,
  StoreCompacted,
  type StoreEntry,
  type StoreEvent,
  type StoreOp,
} from '@moldau/metadata';

type Row = Readonly<Record<string, unknown>>;

/** Above every character that a key may have. */
const lastCharacter = '\uffff';

/** The store's statements. Synchronous: a transaction never meets another one in the middle. */
export class Tables {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #revision: bigint;
  #oldest: bigint;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#revision = this.#meta('revision');
    this.#oldest = this.#meta('oldest');
  }

  get revision(): Revision {
    return asRevision(this.#revision);
  }

  get sizeBytes(): number {
    const pages = this.#one('SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()');
    return Number(pages?.size);
  }

  /** Runs `body` as one durable transaction: all of it or, when it throws, nothing. */
  atomically<T>(body: () => T): T {
    this.#run('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.#run('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#run('ROLLBACK');
      this.#revision = this.#meta('revision');
      this.#oldest = this.#meta('oldest');
      throw error;
    }
  }

  holds(compare: Compare): boolean {
    const entry = this.get(compare.key);
    return 'modRevision' in compare
      ? (entry?.modRevision ?? 0n) === compare.modRevision
      : (entry?.createRevision ?? 0n) === compare.createRevision;
  }

  get(key: string): StoreEntry | undefined {
    return toEntry(this.#one('SELECT * FROM version WHERE key = ? ORDER BY mod DESC LIMIT 1', key));
  }

  /** Writes under one new revision, and returns what the reads among the operations found. */
  write(ops: readonly StoreOp[]): (StoreEntry | undefined)[] {
    const next = this.#revision + 1n;
    const read: (StoreEntry | undefined)[] = [];
    let wrote = false;
    for (const op of ops) {
      const before = this.get(op.key);
      if (op.kind === 'get') {
        read.push(before);
        continue;
      }
      if (op.kind === 'delete' && before === undefined) continue;
      const value = op.kind === 'put' ? op.value : null;
      this.#run(
        'INSERT INTO version (key, mod, created, value) VALUES (?, ?, ?, ?)',
        op.key,
        next,
        before?.createRevision ?? next,
        value,
      );
      this.#lease(op.key, op.kind === 'put' ? op.lease : undefined);
      wrote = true;
    }
    if (wrote) this.#setMeta('revision', next);
    if (wrote) this.#revision = next;
    return read;
  }

  range(prefix: string, options: RangeOptions): RangePage {
    const at = options.revision ?? this.revision;
    this.#assertKept(at);
    const limit = options.limit ?? rangePageLimit;
    const rows = this.#all(
      `SELECT * FROM version AS v WHERE key >= ? AND key < ? AND key > ? AND value IS NOT NULL AND mod > ?
       AND mod = (SELECT max(mod) FROM version WHERE key = v.key AND mod <= ?) ORDER BY key LIMIT ?`,
      prefix,
      prefix + lastCharacter,
      options.after ?? '',
      options.modifiedAfter ?? 0n,
      at,
      limit + 1,
    );
    const entries = rows.slice(0, limit).flatMap((row) => toEntry(row) ?? []);
    return { revision: at, entries, more: rows.length > limit };
  }

  /** The first change at or above `from` under the prefix. Throws StoreCompacted when it may be gone. */
  changeFrom(prefix: string, from: bigint): StoreChange | undefined {
    if (from < this.#oldest) throw new StoreCompacted(from, asRevision(this.#oldest));
    const rows = this.#all(
      `SELECT * FROM version WHERE key >= ?1 AND key < ?2 AND mod = (
         SELECT mod FROM version WHERE mod >= ?3 AND key >= ?1 AND key < ?2 ORDER BY mod LIMIT 1) ORDER BY key`,
      prefix,
      prefix + lastCharacter,
      from,
    );
    const first = rows[0];
    if (first === undefined) return undefined;
    return { revision: asRevision(bigint(first, 'mod')), events: rows.map(toEvent) };
  }

  compact(to: Revision): void {
    if (to <= this.#oldest) return;
    this.#assertKept(to);
    this.#run(
      `DELETE FROM version AS v WHERE mod <= ?1 AND
       (value IS NULL AND mod < ?1 OR mod < (SELECT max(mod) FROM version WHERE key = v.key AND mod <= ?1))`,
      to,
    );
    this.#setMeta('oldest', to);
    this.#oldest = to;
  }

  keysOf(lease: LeaseId): string[] {
    return this.#all('SELECT key FROM leased WHERE lease = ? ORDER BY key', lease).map((row) => String(row.key));
  }

  leasedKeys(): string[] {
    return this.#all('SELECT key FROM leased ORDER BY key').map((row) => String(row.key));
  }

  #lease(key: string, lease: LeaseId | undefined): void {
    if (lease === undefined) this.#run('DELETE FROM leased WHERE key = ?', key);
    else this.#run('INSERT OR REPLACE INTO leased VALUES (?, ?)', key, lease);
  }

  #assertKept(at: bigint): void {
    if (at < this.#oldest) throw new StoreCompacted(at, asRevision(this.#oldest));
    assert(at <= this.#revision, `revision ${at} is in the future: the store is at ${this.#revision}`);
  }

  #meta(name: string): bigint {
    const row = this.#one('SELECT value FROM meta WHERE name = ?', name);
    assert(row !== undefined, `the store has its ${name}`);
    return bigint(row, 'value');
  }

  #setMeta(name: string, value: bigint): void {
    this.#run('UPDATE meta SET value = ? WHERE name = ?', value, name);
  }

  #run(sql: string, ...values: (string | bigint | number | null)[]): void {
    this.#statement(sql).run(...values);
  }

  #one(sql: string, ...values: (string | bigint | number | null)[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: (string | bigint | number | null)[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  #statement(sql: string): StatementSync {
    const prepared = this.#statements.get(sql);
    if (prepared !== undefined) return prepared;
    const statement = this.#db.prepare(sql);
    statement.setReadBigInts(true);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function bigint(row: Row, column: string): bigint {
  const value = row[column];
  assert(typeof value === 'bigint', `${column} is a whole number`);
  return value;
}

function toEntry(row: Row | undefined): StoreEntry | undefined {
  if (row === undefined || typeof row.value !== 'string') return undefined;
  return {
    key: String(row.key),
    value: row.value,
    createRevision: asRevision(bigint(row, 'created')),
    modRevision: asRevision(bigint(row, 'mod')),
  };
}

function toEvent(row: Row): StoreEvent {
  const entry = toEntry(row);
  return entry === undefined ? { kind: 'delete', key: String(row.key) } : { kind: 'put', entry };
}
