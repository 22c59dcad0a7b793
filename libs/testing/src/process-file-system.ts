import type { AppendFile, DirectoryLock, FileSystem, ReadFile } from '@moldau/kernel';
import type { SimulatedProcess } from './simulated-process.ts';

/** The disk as one process uses it: what was asked for is done, and the answers wait while the process is paused. */
export class ProcessFileSystem implements FileSystem {
  readonly #fs: FileSystem;
  readonly #process: SimulatedProcess;

  constructor(fs: FileSystem, process: SimulatedProcess) {
    this.#fs = fs;
    this.#process = process;
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = await this.#process.answer(this.#fs.openAppend(path));
    return {
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (chunks) => this.#process.answer(file.append(chunks)),
      sync: () => this.#process.answer(file.sync()),
      truncate: (sizeBytes) => this.#process.answer(file.truncate(sizeBytes)),
      close: () => this.#process.answer(file.close()),
    };
  }

  async openRead(path: string): Promise<ReadFile> {
    const file = await this.#process.answer(this.#fs.openRead(path));
    return {
      read: (position, target) => this.#process.answer(file.read(position, target)),
      size: () => this.#process.answer(file.size()),
      close: () => this.#process.answer(file.close()),
    };
  }

  list(directory: string): Promise<string[]> {
    return this.#process.answer(this.#fs.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#process.answer(this.#fs.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#process.answer(this.#fs.rename(from, to));
  }

  removeFile(path: string): Promise<void> {
    return this.#process.answer(this.#fs.removeFile(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#process.answer(this.#fs.removeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#process.answer(this.#fs.syncDirectory(path));
  }

  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#process.answer(this.#fs.space(directory));
  }

  lock(directory: string): Promise<DirectoryLock | undefined> {
    return this.#process.answer(this.#fs.lock(directory));
  }
}
