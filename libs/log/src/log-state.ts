import {
  assert,
  type Gate,
  type LeaderEpoch,
  leaderEpoch,
  type Millis,
  type Offset,
  type PartitionIndex,
  type PartitionKey,
  type TopicId,
} from '@moldau/kernel';
import type { CheckpointRecord, Doubt } from './checkpoint-file.ts';
import { FencingTokens } from './fencing-tokens.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { ProducerTable } from './producers/producer-table.ts';
import type { Segment } from './segment.ts';
import { SerialLane } from './serial-lane.ts';
import type { PartitionTail } from './tail-cache.ts';

/** Whose log it is: written once beside it. */
export interface PartitionIdentity {
  readonly topicId: TopicId;
  readonly topic: string;
  readonly partition: PartitionIndex;
}

/** What recovery made of a log. `corrupt`: below the synced end something is missing or damaged; it was not touched. */
export type FoundState = 'clean' | Doubt | 'corrupt';

/** A log as recovery found it, before anything was appended. */
export interface Found {
  readonly state: FoundState;
  /** The epoch of its last record; 0 when there is none. */
  readonly lastEpoch: LeaderEpoch;
  readonly durableEnd: Offset;
  /** What is wrong, for a person. */
  readonly problem?: string;
  /** The first batch that is damaged, where one was found. */
  readonly damagedAt?: Offset;
}

/** A file position that is a batch boundary. */
export interface FilePlace {
  readonly segment: Offset;
  readonly position: number;
}

/**
 * The numbers of one log and the rules between them:
 * logStart ≤ highWatermark ≤ durableEnd ≤ writtenEnd ≤ logEnd, and syncedEnd ≤ writtenEnd.
 */
export class LogState {
  readonly key: PartitionKey;
  readonly identity: PartitionIdentity;
  readonly directory: string;
  readonly tail: PartitionTail;
  /** In the order of their offsets; the last one is appended to. */
  segments: Segment[] = [];
  logStart: Offset = 0n as Offset;
  /** Handed out by appends. */
  logEnd: Offset = 0n as Offset;
  /** Written in full; the kernel has it. */
  writtenEnd: Offset = 0n as Offset;
  /** Covered by fdatasync. */
  syncedEnd: Offset = 0n as Offset;
  /** What counts as durable under the topic's flush mode. */
  durableEnd: Offset = 0n as Offset;
  highWatermark: Offset = 0n as Offset;
  syncedPlace: FilePlace = { segment: 0n as Offset, position: 0 };
  storedEpoch: LeaderEpoch = leaderEpoch(0);
  truncateTo: Offset | undefined;
  /** A reset that was begun, and where it lets the log begin anew. */
  resetTo: Offset | undefined;
  /** Where the log start is about to move: the checkpoint says so first. */
  startTo: Offset | undefined;
  /** Below it each key stands once at most. */
  compactedEnd: Offset = 0n as Offset;
  /** Records may be gone for newer ones below this; 0: none are. Durable before they go. */
  supersededEnd: Offset = 0n as Offset;
  /** Behind the highest tombstone that was removed; 0: none was. Durable before it goes. */
  tombstoneEnd: Offset = 0n as Offset;
  /** When the last of the tombstones may go that the last compaction has kept; Infinity: there are none, or none is known. */
  tombstonesUntilMs: Millis = Number.POSITIVE_INFINITY;
  /** By how much a compaction is about to shrink segments: the checkpoint says so first. */
  shrinkingBytes = 0;
  /** Segments are being swapped: what is at a path is for a moment not what is listed. Opens when it is done. */
  swapping: Gate | undefined;
  /** Found so once, and until this replica is replaced. */
  corrupt = false;
  /** A start has found it so, and nobody has vouched for the copy since. */
  doubt: Doubt | undefined;
  epochs = new LeaderEpochs();
  tokens = new FencingTokens();
  /** Whether the disk has both. */
  epochsSaved = true;
  readonly savingEpochs = new SerialLane();
  producers = new ProducerTable();
  /** Where the last producer snapshot stands; undefined: there is none, or it is not known to be there. */
  snapshotAt: Offset | undefined;
  /** The epoch under which appends are taken; undefined: none are. */
  leading: LeaderEpoch | undefined;
  /** A write has failed, and its offsets were handed out: they are not used again under the same epoch. */
  resigned = false;
  /** Cuts of the end that run or wait for their turn: nothing is appended meanwhile. */
  cuts = 0;
  /** It is being closed, or its files removed: nothing waits for space any more. */
  ending = false;
  /** Its files are being removed. */
  removed = false;
  /** Grows when offsets may come to mean other records. */
  truncations = 0;

  constructor(key: PartitionKey, identity: PartitionIdentity, directory: string, tail: PartitionTail) {
    this.key = key;
    this.identity = identity;
    this.directory = directory;
    this.tail = tail;
  }

  get name(): string {
    return `${this.identity.topic}-${this.identity.partition}`;
  }

  get active(): Segment | undefined {
    return this.segments.at(-1);
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /** Other epochs than those on the disk. */
  replaceEpochs(epochs: LeaderEpochs): void {
    this.epochs = epochs;
    this.epochsSaved = false;
  }

  /** The control record at `at` raises the fencing token. */
  raiseToken(token: bigint, at: Offset): void {
    this.tokens.raise(token, at, this.highWatermark);
    this.epochsSaved = false;
  }

  /** Epochs that began at `end` or above wrote nothing that is still there; what raised a token there is gone, too. */
  cutEpochs(end: Offset): void {
    const hadEpochs = this.epochs.cutEnd(end);
    if (this.tokens.cutEnd(end) || hadEpochs) this.epochsSaved = false;
  }

  /** The segment whose range holds `offset`. */
  segmentOf(offset: Offset): Segment | undefined {
    return this.segments.findLast((segment) => segment.baseOffset <= offset);
  }

  /** Nothing is there any more: the log starts and ends at `at`. */
  startAnew(at: Offset): void {
    this.logStart = at;
    this.logEnd = at;
    this.writtenEnd = at;
    this.syncedEnd = at;
    this.durableEnd = at;
    this.highWatermark = at;
    this.syncedPlace = { segment: at, position: 0 };
    this.snapshotAt = undefined;
    this.startTo = undefined;
    this.forgetCompaction(0n as Offset);
  }

  /** Nothing at or above `end` is what compaction has seen. */
  forgetCompaction(end: Offset): void {
    if (end < this.compactedEnd) this.compactedEnd = end;
    if (end < this.supersededEnd) this.supersededEnd = end;
    if (end < this.tombstoneEnd) this.tombstoneEnd = end;
  }

  /** Everything up to the given place survives power loss. */
  noteSynced(end: Offset, place: FilePlace): void {
    assert(end >= this.syncedEnd, 'the synced end goes back only by a truncation');
    this.syncedEnd = end;
    this.syncedPlace = place;
  }

  checkpointRecord(): CheckpointRecord {
    const { segment, position } = this.syncedPlace;
    const logStart = this.startTo ?? this.logStart;
    let syncedBytes = position - this.shrinkingBytes;
    for (const other of this.segments) {
      if (other.baseOffset < segment && other.nextOffset > logStart) syncedBytes += other.sizeBytes;
    }
    return {
      syncedEnd: this.syncedEnd,
      segment,
      position,
      syncedBytes,
      highWatermark: this.highWatermark,
      logStart,
      storedEpoch: this.storedEpoch,
      truncateTo: this.truncateTo,
      resetTo: this.resetTo,
      tombstoneEnd: this.tombstoneEnd,
      compactedEnd: this.compactedEnd,
      supersededEnd: this.supersededEnd,
      corrupt: this.corrupt,
      doubt: this.doubt,
    };
  }
}
