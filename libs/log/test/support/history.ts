import { assert, type FileErrorCode, hasReason, leaderEpoch, type Offset, offset, producerId } from '@moldau/kernel';
import { BatchHeader, fencingTokenBatch, stampBatch } from '@moldau/records';
import type { DiskOperation } from '@moldau/testing';
import type { PartitionLog } from '../../src/index.ts';
import { testBatch, together } from './batches.ts';
import { Bench } from './bench.ts';
import { LogModel } from './model.ts';

const producers = [producerId(11n), producerId(22n)];
const windowBatches = 5;

/** A random life of one log: appends, reads, trims, truncations, stops of every kind, failing disks. From a seed. */
export class History {
  readonly bench: Bench;
  readonly model = new LogModel();
  #log: PartitionLog | undefined;
  #epoch = 0;
  #boot = 1;
  #failed = false;
  #producerEpochs = new Map<bigint, number>();

  constructor(seed: number) {
    const pick = (n: number): number => (seed >>> n) & 1;
    this.bench = new Bench(seed, { tailCacheBytes: pick(0) === 1 ? 1 : 4000, maxOpenFiles: pick(1) === 1 ? 2 : 64 });
    this.bench.config = { ...this.bench.config, segmentBytes: pick(2) === 1 ? 1500 : 6000 };
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let i = 0; i < steps; i += 1) await this.#step();
    await this.#stop('close');
    await this.#start();
    await this.#readAll();
  }

  async #step(): Promise<void> {
    const { random, time } = this.bench;
    const log = this.#current();
    if (this.#failed || this.bench.directory?.failure !== undefined) return this.#restart();
    const dice = random.below(100);
    if (dice < 52) {
      try {
        if (dice < 3) return this.#raise(log);
        return dice < 45 ? this.#append(log) : this.#retry(log);
      } catch (error) {
        // A write has failed, and is being undone: nothing was taken.
        if (!hasReason(error, 'NOT_SERVING')) throw error;
        return time.runFor(5);
      }
    }
    if (dice < 65) return time.runFor(random.next() * 3);
    if (dice < 70) return this.#settle(log);
    if (dice < 75) return this.#commit(log);
    if (dice < 82) return this.#readSome(log);
    if (dice < 85) return this.#trim(log);
    if (dice < 88) return this.#truncate(log);
    if (dice < 92) return this.#breakDisk();
    return this.#restart();
  }

  #append(log: PartitionLog): void {
    const { random } = this.bench;
    if (log.logEnd !== this.model.end) return;
    const plain = (): Uint8Array =>
      testBatch({ records: 1 + random.below(4), payloadBytes: random.below(900), fill: random.below(256) });
    const kind = random.below(3);
    if (kind === 0) return this.#take(log, together(plain(), plain()));
    if (kind === 1) return this.#take(log, plain());
    const id = producers[random.below(producers.length)] ?? producerId(11n);
    const last = this.model.ofProducer(id).at(-1);
    const header = last && new BatchHeader(last.bytes);
    const epoch = this.#producerEpochs.get(id) ?? header?.producerEpoch ?? 0;
    const follows = header !== undefined && header.producerEpoch === epoch;
    const sequence = follows ? header.baseSequence + header.recordsCount : 0;
    const batch = testBatch({
      records: 1 + random.below(3),
      payloadBytes: random.below(300),
      fill: random.below(256),
      producerId: id,
      producerEpoch: epoch,
      sequence,
    });
    try {
      this.#take(log, batch);
    } catch (error) {
      // After a trim and a restart a producer may be forgotten: then it goes on under a newer epoch.
      if (!hasReason(error, 'UNKNOWN_PRODUCER')) throw error;
      assert((last?.base ?? 0n) < log.logStart, 'a producer is known as long as its last batch is there');
      this.#producerEpochs.set(id, epoch + 1);
    }
  }

  #take(log: PartitionLog, bytes: Uint8Array): void {
    const before = log.logEnd;
    const result = log.append(bytes, { fencingToken: this.model.token });
    assert(result.kind === 'appended' && result.baseOffset === before, 'a new batch gets the next offset');
    this.model.append(bytes);
  }

  /** A new writer fences the others. */
  #raise(log: PartitionLog): void {
    if (log.logEnd !== this.model.end) return;
    const token = (this.model.token ?? -1n) + 1n;
    const record = fencingTokenBatch(token, this.bench.time.wallMs());
    stampBatch(record, 0, log.logEnd, this.#epoch);
    log.raiseToken(token, () => {});
    this.model.append(record);
  }

  #checkToken(log: PartitionLog): void {
    const { token } = this.model;
    assert(log.fencingToken?.token === token, `the token is ${log.fencingToken?.token}, not ${token}`);
  }

  /** A batch that is there is sent again, as a client does that got no answer. */
  #retry(log: PartitionLog): void {
    const id = producers[this.bench.random.below(producers.length)] ?? producerId(11n);
    if (log.logEnd !== this.model.end) return;
    const known = this.model.ofProducer(id);
    const current = new BatchHeader(known.at(-1)?.bytes ?? testBatch()).producerEpoch;
    const window = known.filter(({ bytes }) => new BatchHeader(bytes).producerEpoch === current).slice(-windowBatches);
    const again = window[this.bench.random.below(Math.max(1, window.length))];
    if (again === undefined || again.base < log.logStart || this.#producerEpochs.has(id)) return;
    const result = log.append(again.bytes.slice());
    assert(result.kind === 'duplicate', `the batch at ${again.base} was written twice`);
    assert(result.baseOffset === again.base, `a duplicate of ${again.base} was answered with ${result.baseOffset}`);
    assert(result.commitsAt === again.next, 'a duplicate is committed with the original');
  }

  async #settle(log: PartitionLog): Promise<void> {
    const isSettled = (): boolean => log.durableEnd === log.logEnd && log.logEnd === this.model.end;
    await this.bench.time.runUntil(() => this.#failed || this.bench.directory?.failure !== undefined || isSettled());
  }

  async #commit(log: PartitionLog): Promise<void> {
    if (log.durableEnd > log.highWatermark) log.advanceHighWatermark(log.durableEnd);
  }

  async #readSome(log: PartitionLog): Promise<void> {
    const span = Number(log.writtenEnd - log.logStart);
    if (span <= 0) return;
    const from = offset(log.logStart + BigInt(this.bench.random.below(span)));
    const limits = { maxBytes: this.bench.random.below(4000), below: log.writtenEnd };
    const slice = await this.bench.run(log.read(from, limits));
    assert(slice.sizeBytes > 0, `nothing was read from ${from}, below ${limits.below}`);
    this.model.check(from, slice);
  }

  async #trim(log: PartitionLog): Promise<void> {
    const span = Number(log.highWatermark - log.logStart);
    const before = offset(log.logStart + BigInt(this.bench.random.below(span + 1)));
    this.model.startMax = before;
    const trimming = log.trim(before);
    if (await this.#interrupted(trimming)) return;
    assert(log.logStart === before, 'the log starts where it was trimmed');
    this.model.startMin = before;
  }

  async #truncate(log: PartitionLog): Promise<void> {
    const cuts = this.model.batches.filter((batch) => batch.base >= log.highWatermark && batch.base >= log.logStart);
    const cut = cuts[this.bench.random.below(Math.max(1, cuts.length))];
    if (cut === undefined) return;
    if (cut.base < this.model.acknowledged) this.model.acknowledged = cut.base;
    this.#truncatingTo = cut.base;
    const truncating = log.truncate(cut.base);
    if (await this.#interrupted(truncating)) return;
    this.#truncatingTo = undefined;
    const expected = cut.base < this.model.end ? cut.base : this.model.end;
    assert(log.logEnd === expected, `the log ends at ${log.logEnd}, and was truncated to ${cut.base}`);
    this.model.cut(cut.base);
    this.#checkToken(log);
    this.#lead(log);
  }

  #truncatingTo: Offset | undefined;

  /** Waits for an operation, or ends the process in the middle of it. */
  async #interrupted(operation: Promise<unknown>): Promise<boolean> {
    const { random, time } = this.bench;
    if (random.chance(0.7)) {
      let error: unknown;
      await this.bench.run(operation.catch((caught) => (error = caught)));
      if (error === undefined) return false;
      assert(this.bench.directory?.failure !== undefined, `an operation failed on a sound disk: ${error}`);
      this.#failed = true;
      return true;
    }
    operation.catch(() => {});
    await time.runFor(random.next() * 4);
    await this.#restart();
    return true;
  }

  async #breakDisk(): Promise<void> {
    const { random, disk } = this.bench;
    const plans: [DiskOperation, FileErrorCode][] = [
      ['append', 'ENOSPC'],
      ['append', 'ENOSPC'],
      ['append', 'EIO'],
      ['sync', 'EIO'],
      ['syncDirectory', 'EIO'],
    ];
    const [operation, code] = plans[random.below(plans.length)] ?? ['append', 'ENOSPC'];
    disk.fail(operation, code, 1 + random.below(4), code === 'ENOSPC' ? '.log' : '');
  }

  async #restart(): Promise<void> {
    const dice = this.bench.random.below(10);
    if (dice < 2 && !this.#failed && this.bench.directory?.failure === undefined) await this.#stop('close');
    else await this.#stop(dice < 6 ? 'kill' : 'crash');
    // A process may end while it recovers, too.
    while (this.bench.random.chance(0.2)) {
      this.bench.open({ bootId: `boot-${this.#boot}` }).catch(() => {});
      await this.bench.time.runFor(this.bench.random.next() * 6);
      await this.#stop(this.bench.random.chance(0.5) ? 'kill' : 'crash');
    }
    await this.#start();
    if (this.bench.random.chance(0.5)) await this.#readAll();
  }

  async #stop(how: 'close' | 'kill' | 'crash'): Promise<void> {
    const { bench } = this;
    if (how === 'close') await bench.close();
    bench.disk.heal();
    if (how === 'kill') bench.disk.kill();
    if (how === 'crash') bench.disk.crash();
    if (how === 'crash') this.#boot += 1;
    bench.directory = undefined;
  }

  async #start(): Promise<void> {
    const log = await this.bench.reopen({ bootId: `boot-${this.#boot}` });
    this.#log = log;
    this.#failed = false;
    assert(log.found.state !== 'corrupt', `a stop without rot never makes a log corrupt: ${log.found.problem}`);
    this.#truncatingTo = undefined;
    this.model.recovered(log.logStart, log.logEnd);
    this.#checkToken(log);
    assert(log.highWatermark <= log.logEnd, 'the high watermark is in the log');
    const last = this.model.batches.at(-1);
    const lastEpoch = last && last.next > log.logStart ? new BatchHeader(last.bytes).leaderEpoch : log.lastEpoch;
    assert(log.lastEpoch === lastEpoch, `the last epoch is ${lastEpoch}, not ${log.lastEpoch}`);
    log.onDurable((end) => {
      assert(
        this.#log !== log || this.bench.directory?.failure === undefined,
        'a failed directory acknowledges nothing',
      );
      if (this.#log !== log || this.#failed) return;
      // What is about to be truncated may still be synced: that is no promise any more.
      const to = this.#truncatingTo;
      this.model.acknowledge(to !== undefined && to < end ? to : end);
    });
    log.onWriteFailed((from) => {
      if (this.#log !== log) return;
      if (this.bench.directory?.failure !== undefined) {
        this.#failed = true;
        return;
      }
      this.model.cut(from);
      this.#checkToken(log);
      this.#lead(log);
    });
    this.#lead(log);
  }

  #lead(log: PartitionLog): void {
    this.#epoch += 1;
    log.lead(leaderEpoch(this.#epoch));
  }

  async #readAll(): Promise<void> {
    const log = this.#current();
    for (let from = log.logStart; from < log.logEnd; ) {
      const slice = await this.bench.run(log.read(from, { maxBytes: 3000, below: log.logEnd }));
      this.model.check(from, slice);
      from = slice.nextOffset;
    }
  }

  #current(): PartitionLog {
    assert(this.#log !== undefined, 'the log is open');
    return this.#log;
  }
}
