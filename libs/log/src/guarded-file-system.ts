import { type AppendFile, FileError, type FileSystem, type ReadFile } from '@moldau/kernel';

/**
 * The file system of one data directory, with the rule that its first EIO is its last: the kernel marks the pages of a
 * failed sync clean and lies the second time, so from then on every change is refused with that first error. Reads go on.
 * Running out of space is no failure, except in a sync.
 */
export class GuardedFileSystem implements FileSystem {
  readonly #fs: FileSystem;
  readonly #onFailure: ((error: FileError) => void)[] = [];
  readonly #onFull: () => void;
  #failure: FileError | undefined;

  constructor(fs: FileSystem, onFull: () => void) {
    this.#fs = fs;
    this.#onFull = onFull;
  }

  get failure(): FileError | undefined {
    return this.#failure;
  }

  onFailure(callback: (error: FileError) => void): void {
    if (this.#failure !== undefined) callback(this.#failure);
    else this.#onFailure.push(callback);
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = await this.#change(() => this.#fs.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (chunks) => this.#change(() => file.append(chunks)),
      sync: () => this.#sync(() => file.sync()),
      truncate: (sizeBytes) => this.#change(() => file.truncate(sizeBytes)),
      close: () => this.#watch(() => file.close()),
    };
  }

  async openRead(path: string): Promise<ReadFile> {
    const file = await this.#watch(() => this.#fs.openRead(path));
    return {
      read: (position, target) => this.#watch(() => file.read(position, target)),
      size: () => this.#watch(() => file.size()),
      close: () => this.#watch(() => file.close()),
    };
  }

  list(directory: string): Promise<string[]> {
    return this.#watch(() => this.#fs.list(directory));
  }
  makeDirectory(path: string): Promise<void> {
    return this.#change(() => this.#fs.makeDirectory(path));
  }
  rename(from: string, to: string): Promise<void> {
    return this.#change(() => this.#fs.rename(from, to));
  }
  removeFile(path: string): Promise<void> {
    return this.#change(() => this.#fs.removeFile(path));
  }
  removeDirectory(path: string): Promise<void> {
    return this.#change(() => this.#fs.removeDirectory(path));
  }
  syncDirectory(path: string): Promise<void> {
    return this.#sync(() => this.#fs.syncDirectory(path));
  }
  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#watch(() => this.#fs.space(directory));
  }
  lock(directory: string) {
    return this.#fs.lock(directory);
  }

  #change<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#watch(operation);
  }

  async #watch<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      if (error instanceof FileError && error.code === 'EIO') this.#fail(error);
      if (error instanceof FileError && error.code === 'ENOSPC') this.#onFull();
      throw error;
    }
  }

  async #sync(operation: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await operation();
    } catch (error) {
      if (error instanceof FileError) this.#fail(error);
      throw error;
    }
    // Another file may have failed meanwhile: nothing of this directory is acknowledged any more.
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: FileError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const callback of this.#onFailure) callback(error);
  }
}
