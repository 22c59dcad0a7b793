import type { Offset } from '@moldau/kernel';
import { BatchHeader, crcMatches, headerBytes, scanBatch } from '@moldau/records';
import { storedBatchBytesMax } from './log-config.ts';

/** Reads from one segment file: fills the target, returns how much there was. */
export type ReadAt = (position: number, target: Uint8Array) => Promise<number>;

/** One batch on its way past. `bytes` is shared with its neighbours: it starts at `at`. */
export interface WalkedBatch {
  readonly header: BatchHeader;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly sizeBytes: number;
  readonly position: number;
}

export interface WalkOptions {
  readonly read: ReadAt;
  readonly position: number;
  /** Where the file ends, or where the walk shall. */
  readonly endPosition: number;
  /** The offset that must come first; the others follow without gaps. */
  readonly offset: Offset;
  readonly checkCrc: boolean;
  /** How much is read at a time. */
  readonly windowBytes: number;
  /**
   * How much the visitor still wants, of a next batch that has so many bytes at least: no more is read, one batch apart, and
   * nothing when it is 0. Absent: everything.
   */
  readonly wantedBytes?: (nextBytes: number) => number;
  /** Called between windows: lets others have their turn. */
  readonly pause?: () => Promise<void>;
}

/** Where a walk ended: at the end, at a visitor's wish, or before something that is no batch of this log. */
export interface WalkEnd {
  readonly kind: 'end' | 'stopped' | 'bad';
  readonly position: number;
  readonly offset: Offset;
  readonly problem: string;
}

/** Passes the batches of one segment file to `visit`, which returns false to stop before that batch. */
export async function walkBatches(options: WalkOptions, visit: (batch: WalkedBatch) => boolean): Promise<WalkEnd> {
  let { position, offset } = options;
  let neededBytes = headerBytes;
  while (position < options.endPosition) {
    const wantedBytes = options.wantedBytes?.(neededBytes) ?? options.windowBytes;
    if (wantedBytes <= 0) return { kind: 'stopped', position, offset, problem: '' };
    const windowBytes = Math.max(Math.min(wantedBytes, options.windowBytes), neededBytes);
    const window = new Uint8Array(Math.min(windowBytes, options.endPosition - position));
    const got = await options.read(position, window);
    const bytes = window.subarray(0, got);
    const atEnd = position + got >= options.endPosition || got < window.length;
    neededBytes = headerBytes;
    let at = 0;
    while (at < bytes.length) {
      const scanned = scanBatch(bytes, at, storedBatchBytesMax);
      if (scanned.kind === 'incomplete') {
        if (atEnd) return { kind: 'bad', position, offset, problem: 'the file ends inside a batch' };
        neededBytes = Math.max(neededBytes, scanned.neededBytes);
        break;
      }
      const problem = problemOf(scanned, bytes, at, offset, options.checkCrc);
      if (problem !== undefined || scanned.kind === 'bad')
        return { kind: 'bad', position, offset, problem: problem ?? '' };
      const { header, sizeBytes } = scanned;
      if (!visit({ header, bytes, at, sizeBytes, position })) return { kind: 'stopped', position, offset, problem: '' };
      at += sizeBytes;
      position += sizeBytes;
      offset = header.nextOffset as Offset;
    }
    if (atEnd && position < options.endPosition) {
      return { kind: 'bad', position, offset, problem: 'the file is shorter than it was' };
    }
    await options.pause?.();
  }
  return { kind: 'end', position, offset, problem: '' };
}

function problemOf(
  scanned: Exclude<ReturnType<typeof scanBatch>, { kind: 'incomplete' }>,
  bytes: Uint8Array,
  at: number,
  offset: Offset,
  checkCrc: boolean,
): string | undefined {
  if (scanned.kind === 'bad') return scanned.problem;
  const { header, sizeBytes } = scanned;
  if (header.baseOffset !== offset) return `a batch of offset ${header.baseOffset} stands where ${offset} belongs`;
  if (header.lastOffsetDelta < 0) return 'a batch ends before it begins';
  if (checkCrc && !crcMatches(bytes, at, header, sizeBytes)) return 'its CRC does not match';
  return undefined;
}

/**
 * Looks byte by byte for a whole batch with a right CRC that may follow in this log: behind damage, where no length can
 * be trusted. `fits` narrows what its offset and epoch may be.
 */
export async function findBatch(
  options: Pick<WalkOptions, 'read' | 'position' | 'endPosition' | 'pause'>,
  fits: (header: BatchHeader) => boolean,
): Promise<{ readonly position: number; readonly offset: Offset } | undefined> {
  const windowBytes = 1 << 20;
  let position = options.position;
  while (position + headerBytes <= options.endPosition) {
    let window = new Uint8Array(Math.min(windowBytes, options.endPosition - position));
    window = window.subarray(0, await options.read(position, window));
    if (window.length < headerBytes) return undefined;
    const lastStart = window.length - headerBytes;
    for (let at = 0; at <= lastStart; at += 1) {
      // The format byte is a cheap sieve: almost everything else fails here.
      if (window[at + 16] !== 2) continue;
      const scanned = scanBatch(window, at, Math.min(storedBatchBytesMax, options.endPosition - position - at));
      if (scanned.kind === 'bad' || !fits(new BatchHeader(window, at))) continue;
      const found = await wholeBatch(options.read, window, position, at, scanned);
      if (found !== undefined) return { position: position + at, offset: found };
    }
    position += lastStart + 1;
    await options.pause?.();
  }
  return undefined;
}

async function wholeBatch(
  read: ReadAt,
  window: Uint8Array,
  position: number,
  at: number,
  scanned: Exclude<ReturnType<typeof scanBatch>, { kind: 'bad' }>,
): Promise<Offset | undefined> {
  let bytes = window;
  let start = at;
  if (scanned.kind === 'incomplete') {
    bytes = new Uint8Array(scanned.neededBytes);
    start = 0;
    if ((await read(position + at, bytes)) < bytes.length) return undefined;
  }
  const whole = scanBatch(bytes, start, storedBatchBytesMax);
  if (whole.kind !== 'batch') return undefined;
  if (!crcMatches(bytes, start, whole.header, whole.sizeBytes)) return undefined;
  return whole.header.baseOffset as Offset;
}
