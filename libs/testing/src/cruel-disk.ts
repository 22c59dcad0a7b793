import { FileError, type FileErrorCode, type Millis, sleep, type Timers } from '@moldau/kernel';
import { CruelDirectory, type CruelNode } from './cruel-directory.ts';
import { CruelFile } from './cruel-file.ts';
import { CruelFileSystem } from './cruel-file-system.ts';
import type { SeededRandom } from './seeded-random.ts';

/** The operations that can be made to fail. */
export type DiskOperation =
  | 'open'
  | 'close'
  | 'append'
  | 'sync'
  | 'truncate'
  | 'read'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'space'
  | 'lock';

export interface CruelDiskOptions {
  readonly timers: Timers;
  readonly random: SeededRandom;
  /** Each operation takes a random time in this range. Absent: none at all, and no timer is needed. */
  readonly latencyMs?: { readonly min: Millis; readonly max: Millis };
  readonly capacityBytes?: number;
}

/** One planned failure: the `nth` call of `operation` on a path that contains `path` fails with `code`. */
interface PlannedFault {
  readonly operation: DiskOperation;
  readonly code: FileErrorCode;
  readonly path: string;
  remaining: number;
}

/** What an operation leaves behind when the process ends under it, and when it fails as planned. */
export interface Aftermath {
  readonly interrupted?: () => void;
  readonly failed?: () => void;
}

/**
 * A disk in memory that does everything a real one may do to us, from a seed. `mount` gives a process its view of it;
 * `kill` ends that process and keeps the page cache, `crash` is power loss.
 */
export class CruelDisk {
  readonly random: SeededRandom;
  capacityBytes: number;
  readonly #timers: Timers;
  readonly #latencyMs: { readonly min: Millis; readonly max: Millis } | undefined;
  readonly #root = new CruelDirectory();
  readonly #locks = new Set<string>();
  readonly #inFlight = new Set<Aftermath>();
  readonly #stuck: (() => void)[] = [];
  #faults: PlannedFault[] = [];
  #syncsHeld = false;
  #generation = 0;

  constructor(options: CruelDiskOptions) {
    this.random = options.random;
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.#timers = options.timers;
    this.#latencyMs = options.latencyMs;
  }

  /** The disk as a new process sees it. */
  mount(): CruelFileSystem {
    return new CruelFileSystem(this, this.#generation);
  }

  /** The process ends: what it had in flight is torn or dropped, its calls never return, its locks are free. */
  kill(): void {
    this.#generation += 1;
    for (const aftermath of this.#inFlight) aftermath.interrupted?.();
    this.#inFlight.clear();
    this.#locks.clear();
    this.heal();
    this.#syncsHeld = false;
    this.#stuck.length = 0;
  }

  /** Power loss: the process ends, and of what was not synced a random part survives. */
  crash(): void {
    this.kill();
    this.#root.crash(this.random);
  }

  /** Lets the `nth` coming call of `operation` on a path that contains `path` fail. */
  fail(operation: DiskOperation, code: FileErrorCode, nth = 1, path = ''): void {
    this.#faults.push({ operation, code, path, remaining: nth });
  }

  /** Forgets the planned failures. */
  heal(): void {
    this.#faults = [];
  }

  /** Syncs hang from now on, until `releaseSyncs`. */
  holdSyncs(): void {
    this.#syncsHeld = true;
  }

  releaseSyncs(): void {
    this.#syncsHeld = false;
    for (const resume of this.#stuck.splice(0)) resume();
  }

  /** Rot: flips one bit, counted from the start of the file. */
  flipBit(path: string, at: number): void {
    this.file(path).flipBit(at);
  }

  /** Someone shortens a file. */
  cut(path: string, sizeBytes: number): void {
    this.file(path).cut(sizeBytes);
  }

  /** Someone removes a file or a directory. */
  remove(path: string): void {
    const [directory, name] = this.parentOf(path);
    directory.names.delete(name);
    directory.sync();
  }

  /** The names of all files below `directory`, as paths. */
  filesBelow(directory: string): string[] {
    const paths: string[] = [];
    const walk = (node: CruelDirectory, prefix: string): void => {
      for (const [name, child] of node.names) {
        if (child instanceof CruelFile) paths.push(`${prefix}/${name}`);
        else walk(child, `${prefix}/${name}`);
      }
    };
    walk(this.directory(directory), directory);
    return paths.sort();
  }

  get freeBytes(): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return 1e12;
    return Math.max(0, this.capacityBytes - this.#root.sizeBytes());
  }

  get totalBytes(): number {
    return this.capacityBytes === Number.POSITIVE_INFINITY ? 1e12 : this.capacityBytes;
  }

  /** Whether the process of `generation` still runs. */
  lives(generation: number): boolean {
    return generation === this.#generation;
  }

  /**
   * Runs one operation of one process: it takes its time, may fail as planned, and never returns once the process has
   * ended.
   */
  async operate<T>(
    generation: number,
    operation: DiskOperation,
    path: string,
    apply: () => T,
    aftermath: Aftermath = {},
  ): Promise<T> {
    if (!this.lives(generation)) return never();
    this.#inFlight.add(aftermath);
    if (this.#latencyMs !== undefined) {
      const { min, max } = this.#latencyMs;
      await sleep(this.#timers, min + (max - min) * this.random.next());
    } else {
      await Promise.resolve();
    }
    while (this.#syncsHeld && operation === 'sync' && this.lives(generation)) {
      await new Promise<void>((resolve) => this.#stuck.push(resolve));
    }
    if (!this.lives(generation)) return never();
    this.#inFlight.delete(aftermath);
    const code = this.#plannedFault(operation, path);
    if (code === undefined) return apply();
    aftermath.failed?.();
    throw new FileError(code, path, `the ${operation} was made to fail`);
  }

  /** Takes the lock of a directory; the function frees it. */
  takeLock(path: string): (() => void) | undefined {
    if (this.#locks.has(path)) return undefined;
    this.#locks.add(path);
    return () => this.#locks.delete(path);
  }

  find(path: string): CruelNode | undefined {
    let node: CruelNode | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (!(node instanceof CruelDirectory)) return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  file(path: string): CruelFile {
    const node = this.find(path);
    if (!(node instanceof CruelFile)) throw new FileError('ENOENT', path, 'no such file');
    return node;
  }

  directory(path: string): CruelDirectory {
    const node = this.find(path);
    if (!(node instanceof CruelDirectory)) throw new FileError('ENOENT', path, 'no such directory');
    return node;
  }

  parentOf(path: string): [CruelDirectory, string] {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw new FileError('EIO', path, 'the root has no parent');
    return [this.directory(parts.join('/')), name];
  }

  #plannedFault(operation: DiskOperation, path: string): FileErrorCode | undefined {
    for (const fault of this.#faults) {
      if (fault.operation !== operation || !path.includes(fault.path)) continue;
      fault.remaining -= 1;
      if (fault.remaining > 0) continue;
      this.#faults = this.#faults.filter((other) => other !== fault);
      return fault.code;
    }
    return undefined;
  }
}

export const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '');

const never = (): Promise<never> => new Promise(() => {});
