import type { AppendFile, DirectoryLock, FileSystem, ReadFile } from '@moldau/kernel';

/** Counts the operations that change something, and tells of each when it has begun. */
export class CountedFileSystem implements FileSystem {
  readonly #fs: FileSystem;
  readonly #begun: (operation: string) => void;

  constructor(fs: FileSystem, begun: (operation: string) => void) {
    this.#fs = fs;
    this.#begun = begun;
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = await this.#count('open', this.#fs.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (chunks) => this.#count(`append ${path}`, file.append(chunks)),
      sync: () => this.#count(`sync ${path}`, file.sync()),
      truncate: (sizeBytes) => this.#count(`truncate ${path}`, file.truncate(sizeBytes)),
      close: () => file.close(),
    };
  }

  openRead(path: string): Promise<ReadFile> {
    return this.#fs.openRead(path);
  }

  list(directory: string): Promise<string[]> {
    return this.#fs.list(directory);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#count(`make ${path}`, this.#fs.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#count(`rename ${from} ${to}`, this.#fs.rename(from, to));
  }

  removeFile(path: string): Promise<void> {
    return this.#count(`remove ${path}`, this.#fs.removeFile(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#count(`remove ${path}`, this.#fs.removeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#count(`sync ${path}`, this.#fs.syncDirectory(path));
  }

  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#fs.space(directory);
  }

  lock(directory: string): Promise<DirectoryLock | undefined> {
    return this.#fs.lock(directory);
  }

  #count<T>(operation: string, promise: Promise<T>): Promise<T> {
    this.#begun(operation);
    return promise;
  }
}
