import { type AppendFile, type DirectoryLock, FileError, type FileSystem, type ReadFile } from '@moldau/kernel';
import { CruelDirectory } from './cruel-directory.ts';
import { type Aftermath, type CruelDisk, type DiskOperation, partsOf } from './cruel-disk.ts';
import { CruelFile } from './cruel-file.ts';

/** One process's view of a {@link CruelDisk}: after a kill or a crash none of its calls ever returns. */
export class CruelFileSystem implements FileSystem {
  readonly #disk: CruelDisk;
  readonly #generation: number;

  constructor(disk: CruelDisk, generation: number) {
    this.#disk = disk;
    this.#generation = generation;
  }

  openAppend(path: string): Promise<AppendFile> {
    return this.#operate('open', path, () => {
      const [directory, name] = this.#disk.parentOf(path);
      const found = directory.names.get(name) ?? new CruelFile();
      if (!(found instanceof CruelFile)) throw new FileError('EIO', path, 'is a directory');
      directory.names.set(name, found);
      return new CruelAppendFile(this.#disk, this.#generation, path, found);
    });
  }

  openRead(path: string): Promise<ReadFile> {
    return this.#operate('open', path, () => {
      const file = this.#disk.file(path);
      let closed = false;
      const open = (): typeof file => {
        // Looked at when the operation ends: a close under a read that is still going on breaks it.
        if (closed) throw new FileError('EIO', path, 'was closed');
        return file;
      };
      return {
        read: (position, target) => this.#operate('read', path, () => open().read(position, target)),
        size: () => this.#operate('read', path, () => open().sizeBytes),
        close: () => {
          closed = true;
          return this.#operate('close', path, () => {});
        },
      };
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#operate('list', directory, () => [...this.#disk.directory(directory).names.keys()].sort());
  }

  makeDirectory(path: string): Promise<void> {
    return this.#operate('makeDirectory', path, () => {
      let made = '';
      for (const name of partsOf(path)) {
        const parent = this.#disk.directory(made);
        if (!parent.names.has(name)) parent.names.set(name, new CruelDirectory());
        made += `/${name}`;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operate('rename', to, () => {
      const [source, sourceName] = this.#disk.parentOf(from);
      const [target, targetName] = this.#disk.parentOf(to);
      const node = source.names.get(sourceName);
      if (node === undefined) throw new FileError('ENOENT', from, 'no such file');
      const replaced = target.names.get(targetName);
      if (
        replaced !== undefined &&
        replaced !== node &&
        !(replaced instanceof CruelFile && node instanceof CruelFile)
      ) {
        throw new FileError('EEXIST', to, 'only a file may be replaced, by a file');
      }
      source.names.delete(sourceName);
      target.names.set(targetName, node);
    });
  }

  removeFile(path: string): Promise<void> {
    return this.#operate('remove', path, () => {
      const node = this.#disk.find(path);
      if (node === undefined) return;
      if (!(node instanceof CruelFile)) throw new FileError('EIO', path, 'is a directory');
      const [directory, name] = this.#disk.parentOf(path);
      directory.names.delete(name);
    });
  }

  removeDirectory(path: string): Promise<void> {
    const node = (): CruelDirectory | undefined => {
      const found = this.#disk.find(path);
      return found instanceof CruelDirectory ? found : undefined;
    };
    const removeAll = (): void => {
      if (node() === undefined) return;
      const [directory, name] = this.#disk.parentOf(path);
      directory.names.delete(name);
    };
    // Not atomic: cut short, it has removed some of the entries.
    const removeSome = (): void => {
      const names = node()?.names;
      for (const name of [...(names?.keys() ?? [])]) if (this.#disk.random.chance(0.5)) names?.delete(name);
    };
    return this.#operate('remove', path, removeAll, { interrupted: removeSome, failed: removeSome });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#operate('syncDirectory', path, () => this.#disk.directory(path).sync());
  }

  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#operate('space', directory, () => ({
      freeBytes: this.#disk.freeBytes,
      totalBytes: this.#disk.totalBytes,
    }));
  }

  lock(directory: string): Promise<DirectoryLock | undefined> {
    return this.#operate('lock', directory, () => {
      const free = this.#disk.takeLock(directory);
      if (free === undefined) return undefined;
      return { release: () => this.#operate('lock', directory, free) };
    });
  }

  #operate<T>(operation: DiskOperation, path: string, apply: () => T, aftermath?: Aftermath): Promise<T> {
    return this.#disk.operate(this.#generation, operation, path, apply, aftermath);
  }
}

class CruelAppendFile implements AppendFile {
  readonly #disk: CruelDisk;
  readonly #generation: number;
  readonly #path: string;
  readonly #file: CruelFile;
  #sizeBytes: number;

  constructor(disk: CruelDisk, generation: number, path: string, file: CruelFile) {
    this.#disk = disk;
    this.#generation = generation;
    this.#path = path;
    this.#file = file;
    this.#sizeBytes = file.sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    const whole = Buffer.concat(chunks);
    const appendPrefix = (limit: number): void => {
      this.#file.append(whole.subarray(0, this.#disk.random.below(limit + 1)));
    };
    const appendWhole = (): void => {
      const free = this.#disk.freeBytes;
      if (whole.length > free) {
        appendPrefix(free);
        throw new FileError('ENOSPC', this.#path, 'no space left');
      }
      this.#file.append(whole);
      this.#sizeBytes = this.#file.sizeBytes;
    };
    const cutShort = (): void => appendPrefix(whole.length);
    return this.#disk.operate(this.#generation, 'append', this.#path, appendWhole, {
      interrupted: cutShort,
      failed: cutShort,
    });
  }

  sync(): Promise<void> {
    return this.#disk.operate(this.#generation, 'sync', this.#path, () => this.#file.sync(), {
      failed: () => this.#file.forgetDirty(),
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#disk.operate(this.#generation, 'truncate', this.#path, () => {
      this.#file.truncate(sizeBytes);
      this.#sizeBytes = sizeBytes;
    });
  }

  close(): Promise<void> {
    return this.#disk.operate(this.#generation, 'close', this.#path, () => {});
  }
}
