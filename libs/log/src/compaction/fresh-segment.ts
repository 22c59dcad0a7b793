import type { AppendFile, Millis, Offset } from '@moldau/kernel';
import { BatchHeader } from '@moldau/records';
import type { GuardedFileSystem } from '../guarded-file-system.ts';
import { Segment } from '../segment.ts';
import { SegmentIndex } from '../segment-index.ts';
import { asideOf } from '../small-files.ts';
import { holeBatch, isHole } from './empty-batch.ts';

const gatherBytes = 1024 * 1024;
/** With more dirty pages the syncs that acknowledgements wait for would take longer. */
const unsyncedBytesMax = 8 * 1024 * 1024;

/** A segment that is written aside, to take the place of others. What a crash leaves of it goes with the next start. */
export class FreshSegment {
  readonly #fs: GuardedFileSystem;
  readonly #file: AppendFile;
  readonly #segment: Segment;
  readonly #index: SegmentIndex;
  #chunks: Uint8Array[] = [];
  #gatheredBytes = 0;
  #unsyncedBytes = 0;
  #hole: { readonly from: bigint; next: bigint; readonly leaderEpoch: number } | undefined;
  #isOpen = true;

  static async begin(fs: GuardedFileSystem, directory: string, base: Offset, sinceMs: Millis): Promise<FreshSegment> {
    const segment = new Segment(directory, base, { sizeBytes: 0, nextOffset: base, sinceMs });
    const file = await fs.openAppend(asideOf(segment.path));
    const fresh = new FreshSegment(fs, file, segment);
    if (file.sizeBytes > 0) await file.truncate(0);
    return fresh;
  }

  private constructor(fs: GuardedFileSystem, file: AppendFile, segment: Segment) {
    this.#fs = fs;
    this.#file = file;
    this.#segment = segment;
    this.#index = new SegmentIndex(segment.baseOffset);
  }

  /** Where it stands for now. */
  get path(): string {
    return asideOf(this.#segment.path);
  }

  /** What was taken so far, without an open hole. */
  get sizeBytes(): number {
    return this.#index.coveredBytes;
  }

  /** Takes the batch that follows; returns how many bytes were written. */
  async take(batch: Uint8Array): Promise<number> {
    const header = new BatchHeader(batch);
    if (isHole(header)) return this.skip(header);
    return (await this.#fillHole()) + (await this.#put(batch));
  }

  /** Takes of the batch that follows nothing but its offsets. */
  async skip({ baseOffset, nextOffset, leaderEpoch }: BatchHeader): Promise<number> {
    const written = this.#hole?.leaderEpoch === leaderEpoch ? 0 : await this.#fillHole();
    this.#hole ??= { from: baseOffset, next: nextOffset, leaderEpoch };
    this.#hole.next = nextOffset;
    return written;
  }

  /** Everything that was taken survives power loss under its name for now. Returns the segment that it is to be. */
  async finish(): Promise<Segment> {
    await this.#fillHole();
    await this.#flush();
    await this.#file.sync();
    await this.#close();
    this.#segment.sizeBytes = this.#index.coveredBytes;
    this.#segment.syncedBytes = this.#index.coveredBytes;
    this.#segment.nextOffset = this.#index.coveredOffset;
    this.#segment.index = this.#index;
    return this.#segment;
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.#close();
    await this.#fs.removeFile(this.path);
  }

  async #fillHole(): Promise<number> {
    const hole = this.#hole;
    if (hole === undefined) return 0;
    this.#hole = undefined;
    return this.#put(holeBatch(hole.from, hole.next, hole.leaderEpoch));
  }

  async #put(batch: Uint8Array): Promise<number> {
    const { baseOffset, nextOffset, maxTimestamp } = new BatchHeader(batch);
    this.#index.add(baseOffset, nextOffset, batch.length, maxTimestamp);
    this.#chunks.push(batch);
    this.#gatheredBytes += batch.length;
    if (this.#gatheredBytes >= gatherBytes) await this.#flush();
    return batch.length;
  }

  async #flush(): Promise<void> {
    const chunks = this.#chunks;
    if (chunks.length === 0) return;
    this.#chunks = [];
    this.#unsyncedBytes += this.#gatheredBytes;
    this.#gatheredBytes = 0;
    await this.#file.append(chunks);
    if (this.#unsyncedBytes < unsyncedBytesMax) return;
    this.#unsyncedBytes = 0;
    await this.#file.sync();
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
  }
}
