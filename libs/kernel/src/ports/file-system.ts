/** Why a file operation failed, by the names of POSIX. Everything but these three is `EIO` to us. */
export type FileErrorCode = 'ENOENT' | 'EEXIST' | 'ENOSPC' | 'EIO';

/** A failed file operation. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: FileErrorCode;
  readonly path: string;
  constructor(code: FileErrorCode, path: string, detail: string, cause?: unknown) {
    super(`${code} ${path}: ${detail}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.path = path;
  }
}

/** A file that is only appended to. One owner; calls do not overlap, but `sync` may overlap `append`. */
export interface AppendFile {
  /** Bytes in the file: everything that resolved, from any earlier process too. */
  readonly sizeBytes: number;
  /**
   * Writes all of `chunks` at the end; resolves when the kernel has them. A crash may keep any part of it, torn at
   * sectors. After a rejection any prefix may be there: `truncate` before the next append, or give the file up.
   */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /** Everything appended before the call survives power loss once this resolves. A rejection is final: never trust the file again. */
  sync(): Promise<void>;
  /** Cuts the file to `sizeBytes`. Survives power loss only after `sync`. */
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** A file opened for reading at positions. Calls may overlap. */
export interface ReadFile {
  /** Fills `target` from `position`; returns how many bytes there were: fewer only at the end of the file. */
  read(position: number, target: Uint8Array): Promise<number>;
  /** Bytes in the file now. */
  size(): Promise<number>;
  close(): Promise<void>;
}

/** An exclusive lock; the system frees it when the process ends, however it ends. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * The disk. Paths use `/`. Rejections are {@link FileError}s.
 * Names survive power loss only once `syncDirectory` of their directory has resolved: those of created, renamed and
 * removed entries alike. Until then a crash keeps either the old or the new state, each name for itself.
 */
export interface FileSystem {
  /** Opens for appending; creates an empty file if there is none. */
  openAppend(path: string): Promise<AppendFile>;
  /** Opens for reading. `ENOENT` if there is none. */
  openRead(path: string): Promise<ReadFile>;
  /** The names in a directory, sorted. `ENOENT` if there is none. */
  list(directory: string): Promise<string[]>;
  /** Creates the directory and its parents; no error if it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Renames a file or a directory, replacing a file. Atomic. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; no error if it is gone. */
  removeFile(path: string): Promise<void>;
  /** Removes a directory with everything in it; no error if it is gone. Not atomic. */
  removeDirectory(path: string): Promise<void>;
  /** Makes the names in the directory durable. A rejection is final, as that of `sync`. */
  syncDirectory(path: string): Promise<void>;
  /** Room left for this process, and in all. */
  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }>;
  /** Takes the exclusive lock of a directory, or returns `undefined` at once when another process holds it. */
  lock(directory: string): Promise<DirectoryLock | undefined>;
}
