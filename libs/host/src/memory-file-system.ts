import { type AppendFile, assert, type DirectoryLock, FileError, type FileSystem, type ReadFile } from '@moldau/kernel';
import { MemoryFile } from './memory-file.ts';

/** A disk in memory, for processes that keep nothing. Full at its capacity, as a disk would be. */
export class MemoryFileSystem implements FileSystem {
  readonly #capacityBytes: number;
  readonly #files = new Map<string, MemoryFile>();
  readonly #directories = new Set<string>(['', '/', '.']);
  readonly #locked = new Set<string>();

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  async openAppend(path: string): Promise<AppendFile> {
    this.#mustBeDirectory(parentOf(path));
    const file = this.#files.get(path) ?? new MemoryFile();
    this.#files.set(path, file);
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: async (chunks) => {
        const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        if (bytes > this.#freeBytes())
          throw new FileError('ENOSPC', path, `the memory disk of ${this.#capacityBytes} bytes is full`);
        for (const chunk of chunks) file.append(chunk);
      },
      async sync() {},
      async truncate(sizeBytes) {
        file.truncate(sizeBytes);
      },
      async close() {},
    };
  }

  async openRead(path: string): Promise<ReadFile> {
    const file = this.#files.get(path);
    if (file === undefined) throw new FileError('ENOENT', path, 'no such file');
    let closed = false;
    const open = (): MemoryFile => {
      if (closed) throw new FileError('EIO', path, 'was closed');
      return file;
    };
    return {
      async read(position, target) {
        return open().read(position, target);
      },
      async size() {
        return open().sizeBytes;
      },
      async close() {
        closed = true;
      },
    };
  }

  async list(directory: string): Promise<string[]> {
    this.#mustBeDirectory(directory);
    const names = [...this.#files.keys(), ...this.#directories].filter(
      (path) => path !== directory && parentOf(path) === directory,
    );
    return names
      .map((path) => path.slice(path.lastIndexOf('/') + 1))
      .filter((name) => name !== '')
      .sort();
  }

  async makeDirectory(path: string): Promise<void> {
    for (let at = path; !this.#directories.has(at); at = parentOf(at)) {
      if (this.#files.has(at)) throw new FileError('EEXIST', at, 'a file of this name is in the way');
      this.#directories.add(at);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#mustBeDirectory(parentOf(to));
    const file = this.#files.get(from);
    if (file !== undefined) {
      this.#files.delete(from);
      this.#files.set(to, file);
      return;
    }
    this.#mustBeDirectory(from);
    for (const [path, inside] of [...this.#files].filter(([path]) => path.startsWith(`${from}/`))) {
      this.#files.delete(path);
      this.#files.set(to + path.slice(from.length), inside);
    }
    for (const path of [...this.#directories].filter((path) => path === from || path.startsWith(`${from}/`))) {
      this.#directories.delete(path);
      this.#directories.add(to + path.slice(from.length));
    }
  }

  async removeFile(path: string): Promise<void> {
    this.#files.delete(path);
  }

  async removeDirectory(path: string): Promise<void> {
    for (const name of [...this.#files.keys()]) if (name.startsWith(`${path}/`)) this.#files.delete(name);
    for (const name of [...this.#directories])
      if (name === path || name.startsWith(`${path}/`)) this.#directories.delete(name);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#mustBeDirectory(path);
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: this.#freeBytes(), totalBytes: this.#capacityBytes };
  }

  async lock(directory: string): Promise<DirectoryLock | undefined> {
    this.#mustBeDirectory(directory);
    if (this.#locked.has(directory)) return undefined;
    this.#locked.add(directory);
    return {
      release: async () => {
        this.#locked.delete(directory);
      },
    };
  }

  #freeBytes(): number {
    let used = 0;
    for (const file of this.#files.values()) used += file.sizeBytes;
    const free = this.#capacityBytes - used;
    assert(free >= 0, 'a memory disk never holds more than its capacity');
    return free;
  }

  #mustBeDirectory(path: string): void {
    if (!this.#directories.has(path)) throw new FileError('ENOENT', path, 'no such directory');
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
