import { assert, hasReason, leaderEpoch, type Offset, offset, producerId } from '@moldau/kernel';
import { BatchHeader } from '@moldau/records';
import { SeededRandom } from '@moldau/testing';
import { testBatch, together } from './batches.ts';
import { bytesOf, pieceOf } from './copies.ts';
import { CopySide } from './copy-side.ts';

const producers = [producerId(11n), producerId(22n)];

/**
 * A random life of two logs, of which one leads and the other copies it, and both change places: appends, pieces, commits,
 * trims, cuts at epochs, resets, full and failing disks, stops of every kind on either side. From a seed.
 */
export class CopyHistory {
  readonly #random: SeededRandom;
  readonly #sides: [CopySide, CopySide];
  #leader: CopySide;
  #copy: CopySide;
  #epoch = 0;
  #producerEpoch = 0;
  /** The copy agreed with its leader, in this epoch, since the last start of both. */
  #inSession = false;
  /** The copy holds everything that is committed: it may lead. */
  #inSync = true;
  /** Everything that was ever committed, from offset 0. */
  #committed = Buffer.alloc(0);
  readonly #committedAt = new Map<bigint, number>([[0n, 0]]);
  #highWatermark = offset(0);

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#sides = [new CopySide('a', seed * 2, this.#random), new CopySide('b', seed * 2 + 1, this.#random)];
    [this.#leader, this.#copy] = this.#sides;
  }

  async run(steps: number): Promise<void> {
    for (const side of this.#sides) await side.start();
    this.#lead();
    for (let i = 0; i < steps; i += 1) await this.#step();
    for (const side of this.#sides) {
      if (side.hasFailed) await side.restart();
      side.bench.disk.heal();
    }
    await this.#elect(this.#leader);
    while (!this.#inSession || this.#copy.log.durableEnd < this.#leader.log.logEnd) {
      await this.#greet();
      await this.#push();
      for (const { bench } of this.#sides) await bench.time.runFor(20);
    }
    await this.#compare();
    assert(this.#copy.log.logEnd === this.#leader.log.logEnd, 'in the end both are the same');
    const [token, other] = [this.#leader.log.fencingToken?.token, this.#copy.log.fencingToken?.token];
    assert(token === other, `the copy is fenced for ${other}, and its leader for ${token}`);
  }

  async #step(): Promise<void> {
    for (const side of this.#sides) if (side.hasFailed) await this.#restart(side);
    const dice = this.#random.below(100);
    if (dice < 25) return this.#append();
    if (dice < 30) return this.#retry();
    if (dice < 50) return this.#push();
    if (dice < 62) return this.#either().bench.time.runFor(this.#random.next() * 4);
    if (dice < 70) return this.#commit();
    if (dice < 78) return this.#greet();
    if (dice < 81) return this.#trim();
    if (dice < 84) return this.#compare();
    if (dice < 86) return this.#damage();
    if (dice < 90) return this.#breakDisk();
    if (dice < 94) return this.#elect(this.#inSync && !this.#copy.log.isCorrupt ? this.#either() : this.#leader);
    return this.#restart(this.#either());
  }

  #either(): CopySide {
    return this.#random.chance(0.5) ? this.#leader : this.#copy;
  }

  async #append(): Promise<void> {
    const { log } = this.#leader;
    const random = this.#random;
    const plain = (): Uint8Array =>
      testBatch({ records: 1 + random.below(4), payloadBytes: random.below(500), fill: random.below(256) });
    const kind = random.below(3);
    try {
      // A new writer now and then, which fences the others.
      const token = (log.fencingToken?.token ?? 0n) + (random.chance(0.1) ? 1n : 0n);
      const options = { fencingToken: token };
      if (kind === 0) log.append(together(plain(), plain()), options);
      else if (kind === 1) log.append(plain(), options);
      else log.append(await this.#batchOfProducer(), options);
    } catch (error) {
      // A write has failed, and is being undone; or it was, and a new epoch is needed.
      if (!hasReason(error, 'NOT_SERVING')) throw error;
      await this.#leader.bench.time.runFor(5);
    }
  }

  async #batchOfProducer(): Promise<Uint8Array> {
    const id = producers[this.#random.below(producers.length)] ?? producerId(11n);
    await this.#written();
    const last = await this.#lastOf(id);
    const isNew = last === undefined || this.#random.chance(0.1);
    if (isNew) this.#producerEpoch += 1;
    return testBatch({
      records: 1 + this.#random.below(3),
      payloadBytes: this.#random.below(200),
      producerId: id,
      producerEpoch: isNew ? this.#producerEpoch : last.producerEpoch,
      sequence: isNew ? 0 : last.baseSequence + last.recordsCount,
    });
  }

  /** A leader knows its producers, whoever took their batches. */
  async #retry(): Promise<void> {
    const { log, bench } = this.#leader;
    const id = producers[this.#random.below(producers.length)] ?? producerId(11n);
    await this.#written();
    const last = await this.#lastOf(id);
    if (last === undefined) return;
    const slice = await bench.run(log.read(offset(last.baseOffset), { maxBytes: 1, below: log.logEnd }));
    const result = await this.#orRefused(() => log.append(slice.chunks[0]?.slice() ?? new Uint8Array(0)));
    if (result === undefined) return;
    assert(result.kind === 'duplicate', `the batch at ${last.baseOffset} was written twice`);
    assert(result.baseOffset === last.baseOffset, `a duplicate of ${last.baseOffset} is one of ${result.baseOffset}`);
  }

  /** Resolves when nothing of the leader is on its way to the disk. */
  async #written(): Promise<void> {
    const leader = this.#leader;
    await leader.bench.time.runUntil(() => leader.hasFailed || leader.log.writtenEnd === leader.log.logEnd);
  }

  async #orRefused<T>(task: () => T): Promise<T | undefined> {
    try {
      return task();
    } catch (error) {
      if (!hasReason(error, 'NOT_SERVING')) throw error;
      return undefined;
    }
  }

  async #lastOf(id: bigint): Promise<BatchHeader | undefined> {
    return (await this.#leaderHeaders()).findLast((header) => header.producerId === id);
  }

  async #leaderHeaders(): Promise<BatchHeader[]> {
    const bytes = await this.#leaderBytes();
    const headers: BatchHeader[] = [];
    for (let at = 0; at < bytes.length; at += headers.at(-1)?.sizeBytes ?? 0) headers.push(new BatchHeader(bytes, at));
    return headers;
  }

  #leaderBytes(): Promise<Buffer> {
    const { bench, log } = this.#leader;
    return bytesOf(bench, log, log.writtenEnd);
  }

  /** The handshake: both find the largest epoch that they share, and the copy is cut where it ends. */
  async #greet(): Promise<void> {
    this.#inSession = false;
    const copy = this.#copy;
    const leader = this.#leader.log;
    const prepared = await copy.attempt(copy.log.syncAll());
    if (!prepared) return;
    const to = copy.log.isCorrupt ? undefined : this.#cutOf();
    if (to === undefined) {
      this.#inSync = false;
      const { logStart } = leader;
      copy.mayBeCorrupt = true;
      this.#inSession = await copy.cut(logStart, (log) =>
        log.reset(logStart, {
          covering: leader.epochCovering(logStart),
          token: leader.fencingTokenBefore(logStart),
        }),
      );
      if (this.#inSession) copy.mayBeCorrupt = false;
      if (this.#inSession) assert(copy.log.logEnd === logStart && !copy.log.isCorrupt, 'a reset copy begins anew');
      return;
    }
    assert(!this.#inSync || to >= this.#highWatermark, 'nothing committed is cut from a copy in sync');
    if (to < copy.log.logEnd) {
      if (!(await copy.cut(to, (log) => log.truncate(to)))) return;
      assert(copy.log.logEnd === to, `the copy ends at ${copy.log.logEnd}, and was cut to ${to}`);
    }
    this.#inSession = true;
  }

  /** Undefined: the copy begins anew. */
  #cutOf(): Offset | undefined {
    const copy = this.#copy.log;
    const leader = this.#leader.log;
    const end = copy.durableEnd;
    const epochs = copy.epochTail(64);
    if (end < leader.logStart) return undefined;
    for (let i = epochs.length - 1; i >= 0; i -= 1) {
      const entry = epochs[i];
      const found = entry && leader.epochEnd(entry.epoch);
      if (entry === undefined || found?.epoch !== entry.epoch) continue;
      const copyEnd = epochs[i + 1]?.start ?? end;
      const to = found.end < copyEnd ? found.end : copyEnd;
      return to < leader.logStart || to < copy.logStart ? undefined : to;
    }
    return end === 0n ? end : undefined;
  }

  async #push(): Promise<void> {
    if (!this.#inSession || this.#copy.hasFailed || this.#copy.log.logEnd >= this.#leader.log.writtenEnd) return;
    const from = this.#copy.log.logEnd;
    if (from < this.#leader.log.logStart) {
      this.#inSession = false;
      return;
    }
    const found = await pieceOf(this.#leader.bench, this.#leader.log, from, this.#random.below(2_000));
    if (found === undefined) return;
    const piece = { ...found, leaderEpoch: leaderEpoch(this.#epoch) };
    const mismatch = this.#copy.log.appendReplica(piece);
    if (mismatch === undefined) return;
    // A write of the copy has failed: its end has moved, or is about to.
    assert(mismatch === 'gap', `a piece at ${from} does not fit: ${mismatch}`);
    this.#inSession = false;
  }

  /** What both have on their disks is committed; without the copy, what the leader has. */
  async #commit(): Promise<void> {
    const leader = this.#leader.log;
    const copy = this.#copy.log;
    if (this.#leader.hasFailed) return;
    if (this.#inSession && copy.durableEnd >= this.#highWatermark && copy.durableEnd >= leader.highWatermark) {
      this.#inSync = true;
    }
    if (this.#inSync && !this.#inSession) return;
    const end = this.#inSync && copy.durableEnd < leader.durableEnd ? copy.durableEnd : leader.durableEnd;
    if (end > this.#highWatermark) {
      const bytes = await this.#range(this.#leader, this.#highWatermark, end);
      for (let at = 0; at < bytes.length; ) {
        const header = new BatchHeader(bytes, at);
        at += header.sizeBytes;
        this.#committedAt.set(header.nextOffset, this.#committed.length + at);
      }
      this.#committed = Buffer.concat([this.#committed, bytes]);
      this.#highWatermark = end;
    }
    if (this.#highWatermark > leader.highWatermark) leader.advanceHighWatermark(this.#highWatermark);
    if (this.#inSession) copy.followHighWatermark(this.#highWatermark);
  }

  #range({ bench, log }: CopySide, from: Offset, to: Offset): Promise<Buffer> {
    return bytesOf(bench, log, to, from);
  }

  async #trim(): Promise<void> {
    const { log } = this.#leader;
    const boundaries = [...this.#committedAt.keys()].filter((at) => at >= log.logStart && at <= log.highWatermark);
    const before = boundaries[this.#random.below(boundaries.length)];
    if (before !== undefined && this.#random.chance(0.5)) {
      if (!(await this.#leader.attempt(log.trim(offset(before))))) return this.#elect(this.#leader);
    }
    if (!this.#inSession) return;
    const { logStart } = this.#leader.log;
    if (await this.#copy.attempt(this.#copy.log.advanceLogStart(logStart))) return;
    this.#inSession = false;
  }

  async #damage(): Promise<void> {
    if (this.#inSync) {
      this.#inSync = false;
      return;
    }
    this.#inSession = false;
    this.#copy.mayBeCorrupt = true;
    await this.#copy.attempt(this.#copy.log.markCorrupt());
  }

  #breakDisk(): void {
    const code = this.#random.chance(0.7) ? 'ENOSPC' : 'EIO';
    const { disk } = this.#either().bench;
    if (code === 'ENOSPC') disk.fail('append', code, 1 + this.#random.below(4));
    else disk.fail(this.#random.chance(0.5) ? 'sync' : 'append', code, 1 + this.#random.below(4));
  }

  async #restart(side: CopySide): Promise<void> {
    this.#inSession = false;
    await side.restart();
    if (side !== this.#leader) return;
    const next = this.#inSync && !this.#copy.log.isCorrupt ? this.#either() : this.#leader;
    await this.#elect(next);
  }

  async #elect(leader: CopySide): Promise<void> {
    if (leader.hasFailed) await leader.restart();
    this.#leader.log.stopLeading();
    if (leader !== this.#leader) this.#copy = this.#leader;
    this.#leader = leader;
    this.#lead();
  }

  #lead(): void {
    this.#epoch += 1;
    this.#inSession = false;
    assert(this.#leader.log.logEnd >= this.#highWatermark, 'a new leader has everything that is committed');
    this.#leader.log.lead(leaderEpoch(this.#epoch));
  }

  /** Byte for byte: in a session up to the smaller end, else up to the smaller high watermark; and what was committed. */
  async #compare(): Promise<void> {
    const [leader, copy] = [this.#leader.log, this.#copy.log];
    const least = (a: Offset, b: Offset): Offset => (a < b ? a : b);
    const from = leader.logStart > copy.logStart ? leader.logStart : copy.logStart;
    const below = this.#inSession
      ? least(leader.writtenEnd, copy.writtenEnd)
      : least(leader.highWatermark, copy.highWatermark);
    const committedBelow = least(this.#highWatermark, leader.writtenEnd);
    const held = await this.#range(this.#leader, leader.logStart, committedBelow);
    const start = this.#committedAt.get(leader.logStart);
    assert(start !== undefined, 'a log starts at a batch');
    assert(held.equals(this.#committed.subarray(start)), 'the leader holds what was committed');
    if (copy.isCorrupt || from >= below) return;
    const [one, other] = [await this.#range(this.#leader, from, below), await this.#range(this.#copy, from, below)];
    assert(one.equals(other), `the copy differs within ${from}…${below}`);
    assert(
      JSON.stringify(this.#leader.epochsOf(from, below), asText) ===
        JSON.stringify(this.#copy.epochsOf(from, below), asText),
      `the epochs of the copy differ within ${from}…${below}`,
    );
    const mine = await this.#hash(this.#leader, from, below);
    const theirs = await this.#hash(this.#copy, from, below);
    if (mine === undefined || theirs === undefined) return;
    assert(mine === theirs, `the hashes of ${from}…${below} differ`);
  }

  /** Undefined: a failed write was undone meanwhile. */
  async #hash({ bench, log }: CopySide, from: Offset, to: Offset): Promise<string | undefined> {
    try {
      const { end, hash } = await bench.run(log.hashRange(from, to));
      assert(end === to, `the hash of ${from}…${to} ends at ${end}`);
      return hash;
    } catch (error) {
      if (!hasReason(error, 'NOT_SERVING')) throw error;
      return undefined;
    }
  }
}

const asText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
