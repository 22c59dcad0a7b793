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
    const file = await this.#change(path, () => this.#fs.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (chunks) => this.#change(path, () => file.append(chunks)),
      sync: () => this.#sync(path, () => file.sync()),
      truncate: (sizeBytes) => this.#change(path, () => file.truncate(sizeBytes)),
      close: () => this.#watch(path, () => file.close()),
    };
  }

  async openRead(path: string): Promise<ReadFile> {
    const file = await this.#watch(path, () => this.#fs.openRead(path));
    return {
      read: (position, target) => this.#watch(path, () => file.read(position, target)),
      size: () => this.#watch(path, () => file.size()),
      close: () => this.#watch(path, () => file.close()),
    };
  }

  list(directory: string): Promise<string[]> {
    return this.#watch(directory, () => this.#fs.list(directory));
  }
  makeDirectory(path: string): Promise<void> {
    return this.#change(path, () => this.#fs.makeDirectory(path));
  }
  rename(from: string, to: string): Promise<void> {
    return this.#change(to, () => this.#fs.rename(from, to));
  }
  removeFile(path: string): Promise<void> {
    return this.#change(path, () => this.#fs.removeFile(path));
  }
  removeDirectory(path: string): Promise<void> {
    return this.#change(path, () => this.#fs.removeDirectory(path));
  }
  syncDirectory(path: string): Promise<void> {
    return this.#sync(path, () => this.#fs.syncDirectory(path));
  }
  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#watch(directory, () => this.#fs.space(directory));
  }
  lock(directory: string) {
    return this.#fs.lock(directory);
  }

  #change<T>(path: string, operation: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#watch(path, operation);
  }

  async #watch<T>(path: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      const failure = asFileError(path, error);
      if (failure.code === 'EIO') this.#fail(failure);
      if (failure.code === 'ENOSPC') this.#onFull();
      throw failure;
    }
  }

  async #sync(path: string, operation: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await operation();
    } catch (error) {
      const failure = asFileError(path, error);
      this.#fail(failure);
      throw failure;
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

const asFileError = (path: string, error: unknown): FileError =>
  error instanceof FileError ? error : new FileError('EIO', path, 'an unknown failure', error);
