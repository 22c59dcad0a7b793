import { assert, hasReason, leaderEpoch, type Offset, offset } from '@moldau/kernel';
import { BatchHeader, compressions } from '@moldau/records';
import { CompactionAbandoned } from '../../src/compaction/compaction-run.ts';
import type { PartitionLog } from '../../src/index.ts';
import { Bench } from './bench.ts';
import { compact, type KeyedRecord, keyed, type ReadRecord, recordsOf } from './keyed.ts';

const hourMs = 3_600_000;
const deleteRetentionMs = 24 * hourMs;

interface ModelRecord {
  readonly key: string | null;
  readonly value: string | null;
}

/** A random life of one log of a compacted topic, beside a model that knows every record that was ever appended. From a seed. */
export class CompactionHistory {
  readonly bench: Bench;
  /** By offset. */
  #records: ModelRecord[] = [];
  #log: PartitionLog | undefined;
  #epoch = 0;
  #boot = 1;
  #sequence = 0;
  #producerEpoch = 0;
  #lastBatches: { readonly bytes: Uint8Array; readonly base: Offset }[] = [];
  #stopped: Promise<unknown> = Promise.resolve();
  #stopping = new AbortController();
  #compactions = 0;
  #compactedEnd = offset(0);

  constructor(seed: number) {
    const pick = (n: number): number => (seed >>> n) & 1;
    this.bench = new Bench(seed, { tailCacheBytes: pick(0) === 1 ? 1 : 4_000, maxOpenFiles: pick(1) === 1 ? 2 : 64 });
    const segmentBytes = pick(2) === 1 ? 500 : 2_000;
    this.bench.config = { ...this.bench.config, segmentBytes, compaction: { deleteRetentionMs } };
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let i = 0; i < steps; i += 1) await this.#step();
    await this.#settle();
    await this.#compactWhole();
    await this.#restart();
    await this.#readAll();
    await this.#checkKeys();
  }

  async #step(): Promise<void> {
    const { random, time } = this.bench;
    const log = this.#current();
    const dice = random.below(100);
    if (dice < 50) return this.#append(log);
    if (dice < 60) return time.runFor(random.next() * 4);
    if (dice < 68) return this.#settle();
    if (dice < 78) return this.#startCompaction(log);
    if (dice < 86) return this.#readSome(log);
    if (dice < 89) return this.#trim(log);
    if (dice < 92) return this.#truncate(log);
    if (dice < 94) return void this.#retry(log);
    if (dice < 96) return time.jumpWall(random.below(30) * hourMs);
    return this.#restart();
  }

  #append(log: PartitionLog): void {
    const { random } = this.bench;
    const records = Array.from({ length: 1 + random.below(4) }, (): KeyedRecord => {
      const key = random.chance(0.03) ? null : `k${random.below(8)}`;
      return [key, random.chance(0.15) ? null : `v${this.#records.length}-${random.below(1_000)}`];
    });
    const compression = compressions[random.below(compressions.length)] ?? 'none';
    const byProducer = random.chance(0.4);
    const producer = { id: 5n, epoch: this.#producerEpoch, baseSequence: this.#sequence };
    const timestampMs = this.bench.time.wallMs() - random.below(1_000);
    const bytes = keyed(records, { compression, timestampMs, ...(byProducer && { producer }) });
    const copy = bytes.slice();
    const result = log.append(bytes);
    assert(result.kind === 'appended', 'a new batch is appended');
    assert(Number(result.baseOffset) === this.#records.length, 'it gets the next offset');
    if (byProducer) {
      this.#sequence += records.length;
      this.#lastBatches = [...this.#lastBatches.slice(-4), { bytes: copy, base: result.baseOffset }];
    }
    this.#records.push(...records.map(([key, value]) => ({ key, value })));
  }

  /** A batch that is there is sent again: it is known for ever, whatever compaction has made of it. */
  #retry(log: PartitionLog): void {
    const again = this.#lastBatches[this.bench.random.below(this.#lastBatches.length)];
    if (again === undefined) return;
    const result = log.append(again.bytes.slice());
    assert(result.kind === 'duplicate', `the batch at ${again.base} was written twice`);
    assert(result.baseOffset === again.base, `a duplicate of ${again.base} was answered with ${result.baseOffset}`);
  }

  async #settle(): Promise<void> {
    const log = this.#current();
    await this.bench.settle(log);
    if (log.durableEnd > log.highWatermark) log.advanceHighWatermark(log.durableEnd);
  }

  /** It goes on while other things happen. One at a time, as a directory has it. */
  #startCompaction(log: PartitionLog): void {
    const { random } = this.bench;
    if (this.#compactions > 0) return;
    this.#compactions += 1;
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    const options = {
      keyMemoryBytes: random.chance(0.3) ? 64 * 3 : 1 << 16,
      bytesPerSecondMax: random.chance(0.5) ? 20_000 : 1 << 30,
      signal,
    };
    this.#stopped = compact(this.bench, log, options)
      .catch((error: unknown) => {
        const isGivenUp = error instanceof CompactionAbandoned && error.damage === undefined;
        if (!isGivenUp && !signal.aborted && log === this.#log && !isGone(error)) throw error;
      })
      .finally(() => {
        this.#compactions = 0;
      });
    this.#stopped.catch(() => {});
  }

  async #compactWhole(): Promise<void> {
    await this.bench.run(this.#stopped);
    const log = this.#current();
    await this.bench.run(compact(this.bench, log, { nowMs: this.bench.time.wallMs() + 2 * deleteRetentionMs }));
    this.#compactedEnd = log.compactedEnd;
  }

  /** Behind a start: what is in the cache may be older than what is on the disk. */
  async #checkKeys(): Promise<void> {
    const records = (await this.#read(this.#current().logStart)).filter(([at]) => at < Number(this.#compactedEnd));
    const keys = records.map(([, key]) => key);
    assert(!keys.includes(null), 'no record without a key is left');
    assert(new Set(keys).size === keys.length, 'each key is there once');
  }

  async #trim(log: PartitionLog): Promise<void> {
    const span = Number(log.highWatermark - log.logStart);
    const before = offset(log.logStart + BigInt(this.bench.random.below(span + 1)));
    if (!this.bench.random.chance(0.3)) return;
    await this.bench.run(log.trim(before));
  }

  async #truncate(log: PartitionLog): Promise<void> {
    await this.#settleWrites(log);
    const to = offset(log.highWatermark + BigInt(this.bench.random.below(Number(log.logEnd - log.highWatermark) + 1)));
    const end = await this.bench.run(log.truncate(to));
    assert(end >= log.highWatermark && end <= to, `cut to ${end}, and ${to} was asked for`);
    this.#cutModel(end);
    this.#lead(log);
  }

  async #settleWrites(log: PartitionLog): Promise<void> {
    await this.bench.settle(log);
  }

  #cutModel(end: Offset): void {
    if (Number(end) === this.#records.length) return;
    this.#records.length = Number(end);
    // What is left of the producer's batches may be less than a window: it begins anew.
    this.#lastBatches = [];
    this.#producerEpoch += 1;
    this.#sequence = 0;
  }

  async #restart(): Promise<void> {
    const { bench } = this;
    const how = bench.random.below(3);
    const committed = this.#current().highWatermark;
    if (how === 0) {
      this.#stopping.abort(new Error('the process stops'));
      await bench.run(this.#stopped);
      await bench.close();
    } else if (how === 1) bench.disk.kill();
    else {
      bench.disk.crash();
      this.#boot += 1;
    }
    this.#compactions = 0;
    this.#stopped = Promise.resolve();
    bench.directory = undefined;
    await this.#start();
    const log = this.#current();
    assert(log.logEnd >= committed, `the log ends at ${log.logEnd}, and ${committed} was committed`);
    this.#cutModel(log.logEnd);
    if (bench.random.chance(0.5)) await this.#readAll();
  }

  async #start(): Promise<void> {
    const log = await this.bench.reopen({ bootId: `boot-${this.#boot}` });
    this.#log = log;
    assert(log.found.state !== 'corrupt', `a stop without rot never makes a log corrupt: ${log.found.problem}`);
    log.onDamage(({ from, to }) => {
      if (this.#log === log) throw new Error(`${from}…${to} was called damaged on a sound disk`);
    });
    this.#lead(log);
  }

  #lead(log: PartitionLog): void {
    this.#epoch += 1;
    log.lead(leaderEpoch(this.#epoch));
  }

  async #readSome(log: PartitionLog): Promise<void> {
    const span = Number(log.writtenEnd - log.logStart);
    if (span <= 0) return;
    const from = offset(log.logStart + BigInt(this.bench.random.below(span)));
    const slice = await this.bench.run(
      log.read(from, { maxBytes: this.bench.random.below(3_000), below: log.writtenEnd }),
    );
    this.#checkChain(from, slice.chunks, slice.nextOffset);
    this.#check(from, slice.nextOffset, recordsOf(slice));
  }

  async #readAll(): Promise<void> {
    const log = this.#current();
    this.#check(log.logStart, log.writtenEnd, await this.#read(log.logStart));
  }

  async #read(from: Offset): Promise<ReadRecord[]> {
    const log = this.#current();
    const records: ReadRecord[] = [];
    for (let next = from; next < log.writtenEnd; ) {
      const slice = await this.bench.run(log.read(next, { maxBytes: 2_000, below: log.writtenEnd }));
      this.#checkChain(next, slice.chunks, slice.nextOffset);
      records.push(...recordsOf(slice).filter(([at]) => at >= Number(from)));
      next = slice.nextOffset;
    }
    return records;
  }

  /** No offset is passed over: batches follow each other. */
  #checkChain(from: Offset, chunks: readonly Uint8Array[], nextOffset: Offset): void {
    let next: bigint | undefined;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const header = new BatchHeader(chunk, at);
        assert(
          next === undefined ? header.baseOffset <= from : header.baseOffset === next,
          'batches follow each other',
        );
        next = header.nextOffset;
        at += header.sizeBytes;
      }
    }
    assert(next === nextOffset, 'a slice ends where it says');
  }

  /** What was read of [from, to) is what was written there; and what may never go is among it. */
  #check(from: Offset, to: Offset, read: readonly ReadRecord[]): void {
    const log = this.#current();
    const there = new Set<number>();
    let last = -1;
    for (const [at, key, value] of read) {
      const model = this.#records[at];
      assert(model !== undefined && model.key === key && model.value === value, `another record stands at ${at}`);
      assert(at > last, 'records come in the order of their offsets');
      last = at;
      there.add(at);
    }
    const newest = new Map<string, number>();
    for (const [at, { key }] of this.#records.entries())
      if (key !== null && at < Number(log.highWatermark)) newest.set(key, at);
    for (let at = Number(from); at < Number(to); at += 1) {
      const { key, value } = this.#records[at] ?? { key: null, value: null };
      const isCommitted = at < Number(log.highWatermark);
      if (isCommitted && key === null) continue;
      if (isCommitted && key !== null && newest.get(key) !== at) continue;
      // A tombstone goes only with the time, and then that is known for ever.
      if (isCommitted && value === null && at < Number(log.tombstoneEnd)) continue;
      assert(there.has(at), `the record at ${at} is gone`);
    }
  }

  #current(): PartitionLog {
    assert(this.#log !== undefined, 'the log is open');
    return this.#log;
  }
}

/** A file that was removed under a compaction. */
const isGone = (error: unknown): boolean =>
  (error instanceof Error && error.name === 'FileError' && error.message.startsWith('ENOENT')) ||
  hasReason(error, 'NOT_SERVING');
