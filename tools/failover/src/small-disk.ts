import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const megabytes = 96;

/** A small file system in memory, as the data directory of a node: it can be filled. Mounting it takes root. */
export class SmallDisk {
  #directory: string | undefined;

  /** Why there can be none. */
  static async impossible(): Promise<string | undefined> {
    const place = join(tmpdir(), `moldau-mount-${process.pid}`);
    mkdirSync(place);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place]);
      await run('umount', [place]);
      return undefined;
    } catch (error) {
      return `a small file system can't be mounted: ${error instanceof Error ? error.message.trim() : error}`;
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }

  async mount(directory: string): Promise<void> {
    mkdirSync(directory, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
    this.#directory = directory;
  }

  async unmount(): Promise<void> {
    if (this.#directory !== undefined) await run('umount', [this.#directory]);
    this.#directory = undefined;
  }

  /** To the last byte. */
  fill(): void {
    const fd = openSync(this.#filler, 'w');
    try {
      for (let size = 65_536; size >= 512; size /= 2) writeUntilFull(fd, Buffer.alloc(size));
    } finally {
      closeSync(fd);
    }
  }

  /** What filled it is gone. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }

  get #filler(): string {
    if (this.#directory === undefined) throw new Error('it is not mounted');
    return join(this.#directory, 'filler');
  }
}

function writeUntilFull(fd: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(fd, bytes);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}
