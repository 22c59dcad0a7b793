import {
  type CancelTimer,
  type LeaderEpoch,
  leaderEpoch,
  type Offset,
  type PartitionKey,
  type Revision,
  StartError,
  type Timers,
} from '@moldau/kernel';
import { type ByteReader, ByteWriter, seal, unseal } from './binary.ts';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import { SharedRun } from './shared-run.ts';
import { readFile, replaceFile } from './small-files.ts';

// checkpoint, version 2, kind MLCP, sealed: one file for all partitions of a data directory.
//
//   write number i64 · assigned up to (store revision) i64 · boot id (text) · partitions u32 · partitions × {
//     key (text) · synced end i64 · segment of it i64 · position of it u32 · synced bytes of all segments f64 ·
//     high watermark i64 · log start i64 · leader epoch u32 · truncate to i64 (-1: no truncation under way) ·
//     behind the highest tombstone removed i64 (0: none) ·
//     condition u16 (0: sound; 1: corrupt; 2: corrupt, and being thrown away, to begin anew at "truncate to"; 3: a start found
//     it unclean; 4: doubtful) · compacted up to i64 · superseded below i64 }
//
// A later version adds fields behind these. Version 1 knew no compaction: it has -1 for the tombstones, which is none, and
// ends before "compacted up to": both are 0 then.

const kind = 'MLCP';
const version = 2;
const dirtyDelayMs = 1_000;
/** As numbers in the file: their places. One that is not known is taken for the worst. */
const conditions = ['sound', 'corrupt', 'thrown away', 'unclean', 'doubtful'] as const;

/** Why a copy that is whole may lack what it once had. */
export type Doubt = 'unclean' | 'doubtful';

/** What survives of one partition's numbers. */
export interface CheckpointRecord {
  /** What fdatasync has covered. */
  readonly syncedEnd: Offset;
  /** Where that end lies: in this segment, at this position. */
  readonly segment: Offset;
  readonly position: number;
  /** Bytes of all segments up to there: fewer on disk mean that something is missing. */
  readonly syncedBytes: number;
  readonly highWatermark: Offset;
  readonly logStart: Offset;
  readonly storedEpoch: LeaderEpoch;
  /** A truncation that was begun: recovery carries it out. */
  readonly truncateTo: Offset | undefined;
  /** A reset that was begun: recovery throws away what is left, and lets the log begin there. */
  readonly resetTo: Offset | undefined;
  /** Behind the highest tombstone that compaction has removed; 0: none. A copy that ends below lacks what it deleted. */
  readonly tombstoneEnd: Offset;
  /** Below it each key stands once at most. 0 costs time, and nothing else. */
  readonly compactedEnd: Offset;
  /** Records may be gone for newer ones that stand below. */
  readonly supersededEnd: Offset;
  /** It was found corrupt, and stays so. */
  readonly corrupt: boolean;
  /** What an earlier start has found: it may lack what it had, and nobody has vouched for it since. */
  readonly doubt: Doubt | undefined;
}

/** What a checkpoint file says. */
export interface Checkpoint {
  readonly writeNumber: bigint;
  readonly assignedUpTo: Revision;
  readonly bootId: string;
  readonly partitions: ReadonlyMap<PartitionKey, CheckpointRecord>;
}

/** Keeps the checkpoint file up to date: within a second when something moved, at once for those who wait. */
export class CheckpointFile {
  readonly #fs: GuardedFileSystem;
  readonly #path: string;
  readonly #timers: Timers;
  readonly #current: () => Omit<Checkpoint, 'writeNumber'>;
  readonly #run: SharedRun;
  #writeNumber: bigint;
  #cancel: CancelTimer | undefined;
  #closed = false;

  constructor(
    fs: GuardedFileSystem,
    path: string,
    timers: Timers,
    lastWriteNumber: bigint,
    current: () => Omit<Checkpoint, 'writeNumber'>,
  ) {
    this.#fs = fs;
    this.#path = path;
    this.#timers = timers;
    this.#writeNumber = lastWriteNumber;
    this.#current = current;
    this.#run = new SharedRun(() => this.#write());
  }

  /** Counts the writes: the clean-shutdown marker names the last one. */
  get writeNumber(): bigint {
    return this.#writeNumber;
  }

  /** Something moved: written within a second. */
  markDirty(): void {
    if (this.#closed) return;
    this.#cancel ??= this.#timers.after(dirtyDelayMs, () => {
      this.#cancel = undefined;
      // A failure has been noted by the guard; without space the next tick tries again.
      this.writeNow().catch(() => this.markDirty());
    });
  }

  /** Resolves when everything that holds now survives power loss; one write serves all who wait. */
  writeNow(): Promise<void> {
    return this.#run.request();
  }

  /** No more writes at ticks. */
  stop(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #write(): Promise<void> {
    this.#writeNumber += 1n;
    await replaceFile(this.#fs, this.#path, encode({ ...this.#current(), writeNumber: this.#writeNumber }));
  }
}

/** Reads the file. Undefined: there is none, or it is damaged. Throws a StartError when a newer Moldau wrote it. */
export async function readCheckpoint(fs: GuardedFileSystem, path: string): Promise<Checkpoint | undefined> {
  const bytes = await readFile(fs, path);
  if (bytes === undefined) return undefined;
  const unsealed = unseal(kind, version, bytes);
  if (unsealed.kind === 'newer') {
    throw new StartError(`${path} was written by a newer Moldau (format ${unsealed.version}): start that version`);
  }
  if (unsealed.kind === 'bad') return undefined;
  const { payload } = unsealed;
  const writeNumber = payload.i64();
  const assignedUpTo = payload.i64() as Revision;
  const bootId = payload.text();
  const partitions = new Map<PartitionKey, CheckpointRecord>();
  for (let left = payload.u32(); left > 0; left -= 1) {
    const key = payload.text() as PartitionKey;
    const fields = {
      syncedEnd: payload.i64() as Offset,
      segment: payload.i64() as Offset,
      position: payload.u32(),
      syncedBytes: payload.f64(),
      highWatermark: payload.i64() as Offset,
      logStart: payload.i64() as Offset,
      storedEpoch: leaderEpoch(payload.u32()),
    };
    const cutTo = orAbsent(payload.i64());
    const tombstoneEnd = orAbsent(payload.i64()) ?? (0n as Offset);
    const condition = conditions[payload.u16()] ?? 'corrupt';
    const compacted = unsealed.version === 1 ? uncompacted : compactedFields(payload);
    const isThrownAway = condition === 'thrown away';
    partitions.set(key, {
      ...fields,
      truncateTo: isThrownAway ? undefined : cutTo,
      resetTo: isThrownAway ? cutTo : undefined,
      tombstoneEnd,
      ...compacted,
      corrupt: condition === 'corrupt' || isThrownAway,
      doubt: condition === 'unclean' || condition === 'doubtful' ? condition : undefined,
    });
  }
  return { writeNumber, assignedUpTo, bootId, partitions };
}

function encode(checkpoint: Checkpoint): Uint8Array {
  const writer = new ByteWriter(64 + checkpoint.partitions.size * 128);
  writer.i64(checkpoint.writeNumber).i64(checkpoint.assignedUpTo).text(checkpoint.bootId);
  writer.u32(checkpoint.partitions.size);
  for (const [key, record] of checkpoint.partitions) {
    writer.text(key).i64(record.syncedEnd).i64(record.segment).u32(record.position).f64(record.syncedBytes);
    writer.i64(record.highWatermark).i64(record.logStart).u32(record.storedEpoch);
    writer
      .i64(record.resetTo ?? record.truncateTo ?? -1n)
      .i64(record.tombstoneEnd)
      .u16(conditions.indexOf(conditionOf(record)))
      .i64(record.compactedEnd)
      .i64(record.supersededEnd);
  }
  return seal(kind, version, writer.finish());
}

const uncompacted = { compactedEnd: 0n as Offset, supersededEnd: 0n as Offset };

const compactedFields = (payload: ByteReader): typeof uncompacted => ({
  compactedEnd: payload.i64() as Offset,
  supersededEnd: payload.i64() as Offset,
});

function conditionOf(record: CheckpointRecord): (typeof conditions)[number] {
  if (record.resetTo !== undefined) return 'thrown away';
  return record.corrupt ? 'corrupt' : (record.doubt ?? 'sound');
}

const orAbsent = (value: bigint): Offset | undefined => (value < 0n ? undefined : (value as Offset));
