import type { DatabaseSync } from 'node:sqlite';

/** Raised with every change of the tables; a newer file is refused. */
export const formatVersion = 1;

/**
 * `version` holds every version of every key since the last compaction; a deletion is a row without value.
 * `lease` names the lease of the current version of a key.
 */
export function createTables(db: DatabaseSync): void {
  db.exec(`
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS version (
      key TEXT NOT NULL,
      mod INTEGER NOT NULL,
      created INTEGER NOT NULL,
      value TEXT,
      PRIMARY KEY (key, mod)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS version_by_revision ON version (mod, key);
    CREATE TABLE IF NOT EXISTS leased (key TEXT PRIMARY KEY, lease TEXT NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO meta VALUES ('format', ${formatVersion}), ('revision', 1), ('oldest', 1);
  `);
}
