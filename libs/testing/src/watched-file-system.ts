import { type AppendFile, type DirectoryLock, FileError, type FileSystem, type ReadFile } from '@moldau/kernel';

/** Tells of every operation that fails, before whoever asked for it learns of it. */
export class WatchedFileSystem implements FileSystem {
  readonly #fs: FileSystem;
  readonly #failed: (error: FileError) => void;

  constructor(fs: FileSystem, failed: (error: FileError) => void) {
    this.#fs = fs;
    this.#failed = failed;
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = await this.#watch(this.#fs.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (chunks) => this.#watch(file.append(chunks)),
      sync: () => this.#watch(file.sync()),
      truncate: (sizeBytes) => this.#watch(file.truncate(sizeBytes)),
      close: () => this.#watch(file.close()),
    };
  }

  async openRead(path: string): Promise<ReadFile> {
    const file = await this.#watch(this.#fs.openRead(path));
    return {
      read: (position, target) => this.#watch(file.read(position, target)),
      size: () => this.#watch(file.size()),
      close: () => this.#watch(file.close()),
    };
  }

  list(directory: string): Promise<string[]> {
    return this.#watch(this.#fs.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#watch(this.#fs.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#watch(this.#fs.rename(from, to));
  }

  removeFile(path: string): Promise<void> {
    return this.#watch(this.#fs.removeFile(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#watch(this.#fs.removeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#watch(this.#fs.syncDirectory(path));
  }

  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#watch(this.#fs.space(directory));
  }

  lock(directory: string): Promise<DirectoryLock | undefined> {
    return this.#watch(this.#fs.lock(directory));
  }

  async #watch<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      if (error instanceof FileError) this.#failed(error);
      throw error;
    }
  }
}
