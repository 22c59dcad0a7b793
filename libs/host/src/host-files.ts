import { close, fdatasync, fstat, fsync, ftruncate, read, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { AppendFile, ReadFile } from '@moldau/kernel';
import { FileError } from '@moldau/kernel';
import { onPath } from './file-errors.ts';

// Plain descriptors instead of FileHandles: on the append path a handle's bookkeeping costs more than the write.
const closeFile = promisify(close);
const syncData = promisify(fdatasync);
const syncAll = promisify(fsync);
const truncateFile = promisify(ftruncate);
const stat = promisify(fstat);
const writeChunks = promisify(writev);
const readInto = promisify(read);

/** A file opened with O_APPEND. */
export class HostAppendFile implements AppendFile {
  readonly #path: string;
  readonly #fd: number;
  #sizeBytes: number;
  /** A shorter size reaches the disk with a full fsync only. */
  #truncated = false;

  constructor(path: string, fd: number, sizeBytes: number) {
    this.#path = path;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    return onPath(this.#path, async () => {
      let left = chunks.filter((chunk) => chunk.length > 0);
      let total = 0;
      while (left.length > 0) {
        const { bytesWritten } = await writeChunks(this.#fd, left);
        total += bytesWritten;
        left = without(left, bytesWritten);
      }
      this.#sizeBytes += total;
    });
  }

  sync(): Promise<void> {
    return onPath(this.#path, async () => {
      const full = this.#truncated;
      this.#truncated = false;
      await (full ? syncAll(this.#fd) : syncData(this.#fd));
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return onPath(this.#path, async () => {
      this.#truncated = true;
      await truncateFile(this.#fd, sizeBytes);
      this.#sizeBytes = sizeBytes;
    });
  }

  close(): Promise<void> {
    return onPath(this.#path, () => closeFile(this.#fd));
  }
}

/** What a short write has left over. */
function without(chunks: readonly Uint8Array[], writtenBytes: number): Uint8Array[] {
  let skip = writtenBytes;
  const left: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.length) left.push(skip === 0 ? chunk : chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.length);
  }
  return left;
}

/** A file opened for reading. */
export class HostReadFile implements ReadFile {
  readonly #path: string;
  readonly #fd: number;
  #closed = false;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return onPath(this.#path, async () => {
      this.#mustBeOpen();
      let filled = 0;
      while (filled < target.length) {
        const { bytesRead } = await readInto(this.#fd, target, filled, target.length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    });
  }

  size(): Promise<number> {
    return onPath(this.#path, async () => {
      this.#mustBeOpen();
      return (await stat(this.#fd)).size;
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return onPath(this.#path, () => closeFile(this.#fd));
  }

  /** The number of a closed file may be another file's by now. */
  #mustBeOpen(): void {
    if (this.#closed) throw new FileError('EIO', this.#path, 'was closed');
  }
}
