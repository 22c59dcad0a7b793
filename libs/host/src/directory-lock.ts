import { DatabaseSync } from 'node:sqlite';
import type { DirectoryLock } from '@moldau/kernel';

/** SQLite's answer when another connection holds the lock. */
const busy = 5;

/**
 * Node has no file locks, but SQLite takes one for an exclusive transaction, and the system frees it with the process.
 * The file `.lock` stays empty and is never removed: removing it would let two processes lock two files of one name.
 */
export function lockDirectory(directory: string): DirectoryLock | undefined {
  const database = new DatabaseSync(`${directory}/.lock`);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return undefined;
    throw error;
  }
  return {
    async release() {
      if (database.isOpen) database.close();
    },
  };
}
