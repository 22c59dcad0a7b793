import type { Producer } from '@moldau/client';
import { FileError, type Millis } from '@moldau/kernel';
import { CompactionAbandoned, type TimeRange } from '@moldau/log/compaction/compaction-run';
import { Pace } from '@moldau/log/compaction/pace';
import type { Partition } from '@moldau/storage-node';
import type { Operator } from '../operator.ts';
import { copyContent } from '../oracle/copy-content.ts';
import { LatestOracle, type LatestReading } from '../oracle/latest-oracle.ts';
import { Violation } from '../oracle/violation.ts';
import type { Person, World } from '../world.ts';
import { asMoldau } from './producing.ts';

/** Of each key the newest record is kept. Its records are looked at here. */
export const latestTopic = 'scratch-latest';

/** Longer than most reads take: a reader that takes longer may miss a tombstone, and is not asked for it. */
export const deleteRetentionMs = 4_000;
const keysOfOne = 24;
const readingsMax = 60;

/** Writers with keys of their own, and readers who must find the newest record of each. */
export class Latest {
  readonly oracle = new LatestOracle();
  readonly #world: World;
  readonly #compacting = new Set<object>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Sets and deletes keys, which are its alone. */
  async write(name: string): Promise<void> {
    const { random } = this.#world;
    const person = this.#world.person(name);
    const producer = person.client.producer<string, string>({
      topic: latestTopic,
      linger: random.below(10),
      buffer: '512KiB',
      batchSize: 1024 + random.below(16 * 1024),
      deliveryTimeout: 5_000 + random.below(20_000),
    });
    const paceMs = 10 + random.below(60);
    for (let number = 0; this.#world.isBusy && number < 900; number += 1) {
      // Some are set all the time, and some hardly ever: what is gone of those nobody brings back.
      const key = `${name}-k${Math.floor(keysOfOne * random.next() ** 4)}`;
      await this.#push(producer, key, random.chance(0.2));
      await this.#world.sleep(random.below(paceMs), person);
    }
    await producer.flush().catch(asMoldau);
    await producer.close().catch(asMoldau);
  }

  /** Reads from the start again and again, or from somewhere. */
  async read(name: string): Promise<void> {
    const person = this.#world.person(name);
    while (this.#world.isBusy) {
      await this.#world.sleep(200 + this.#world.random.below(2_500), person);
      await this.#readOnce(person, this.#world.random.chance(0.3) ? this.oracle.someOffset(this.#world.random) : 0n);
    }
  }

  /** Comes back often enough to meet every tombstone; when it was away for too long, it begins anew. */
  async follow(name: string): Promise<void> {
    const { random } = this.#world;
    const person = this.#world.person(name);
    let reading = this.oracle.begin(0n);
    /** Everything that had been written by then was read. */
    let sinceMs = this.#nowMs;
    while (this.#world.isBusy) {
      await this.#world.sleep(50 + random.below(1_500), person);
      const beganMs = this.#nowMs;
      reading.goOn();
      const isAtEnd = await this.#readOn(person, reading);
      const isInTime = this.#nowMs - sinceMs < deleteRetentionMs / 2;
      if (isAtEnd) {
        reading.end(isInTime);
        sinceMs = beganMs;
      }
      if (isInTime) continue;
      reading = this.oracle.begin(0n);
      sinceMs = this.#nowMs;
    }
  }

  /** In the end one read must get through. */
  async check(): Promise<void> {
    const person = this.#world.person('latest');
    for (let tries = 0; tries < readingsMax; tries += 1) {
      if (await this.#readOnce(person, 0n)) return;
      await this.#world.sleep(500, person);
    }
    throw new Violation('liveness', `${latestTopic} can't be read in peace`);
  }

  /** Compacts, on every node for itself, as soon as there is something to be compacted. */
  async compact(): Promise<void> {
    const { random } = this.#world;
    while (this.#world.isBusy) {
      await this.#world.sleep(20 + random.below(300));
      for (const operator of this.#world.operators) if (operator.isServing) this.#compactOn(operator);
    }
  }

  #compactOn({ name, node }: Operator): void {
    const { cluster, random, trace } = this.#world;
    for (const partition of node.service.partitions) {
      const { topic, log } = partition;
      if (topic !== latestTopic || this.#compacting.has(log)) continue;
      // As a node sees it whose coordinator's clock is right.
      const now = (): TimeRange => {
        const [ownMs, rightMs] = [node.clock.wallMs(), cluster.time.wallMs()];
        return { earliestMs: Math.min(ownMs, rightMs), latestMs: Math.max(ownMs, rightMs) };
      };
      if (!log.isCompactionDue(now().earliestMs)) continue;
      this.#compacting.add(log);
      trace.note(`${name} compacts ${log.key}`);
      const tally = { readBytes: 0, removedBytes: 0, unkeyedRecords: 0, unreadableBatches: 0 };
      const bytesPerSecond = random.chance(0.5) ? 32 * 1024 * 1024 : 512 * 1024;
      const pace = new Pace(node.clock, cluster.time, bytesPerSecond, new AbortController().signal);
      log
        .compact({ pace, now, keyMemoryBytes: 64 * 1024, tally, progressed: () => {} })
        .then(() => {
          trace.note(`${name} has compacted ${log.key} by ${tally.removedBytes}`);
          return this.#lookAt(name, partition);
        })
        .catch((error: unknown) => {
          if (error instanceof CompactionAbandoned || error instanceof FileError) return;
          this.#world.fail(error);
        })
        .finally(() => this.#compacting.delete(log));
    }
  }

  async #lookAt(name: string, { log }: Partition): Promise<void> {
    const content = await copyContent(log);
    if (content === undefined) return;
    const { highWatermark } = this.#world.oracle.truth(log.key);
    this.oracle.compacted(name, content, highWatermark, this.#nowMs - deleteRetentionMs);
  }

  async #push(producer: Producer, key: string, isTombstone: boolean): Promise<void> {
    const { trace, random } = this.#world;
    const write = this.oracle.invoke(key, isTombstone, 500 + random.below(6_000), this.#nowMs);
    const failed = (error: unknown): void => {
      write.state = asMoldau(error).outcome === 'NOT_WRITTEN' ? 'not-written' : 'unknown';
      trace.note(`${key} ${write.number} ${write.state}`);
    };
    try {
      const ticket = await producer.push({ key, value: write.text });
      ticket.ack.then(({ offset }) => {
        trace.note(`${key} ${write.number} ok @${offset ?? '?'}`);
        this.oracle.ok(write, offset);
      }, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** False: it did not get through. */
  async #readOnce(person: Person, from: bigint): Promise<boolean> {
    const reading = this.oracle.begin(from);
    const beganMs = this.#nowMs;
    if (!(await this.#readOn(person, reading))) return false;
    if (from === 0n) reading.end(this.#nowMs - beganMs < deleteRetentionMs / 2);
    return true;
  }

  /** From where the reading stands to the end. False: it did not get through. */
  async #readOn(person: Person, reading: LatestReading): Promise<boolean> {
    const { trace } = this.#world;
    const from = reading.next;
    try {
      const place = from === 0n ? ('start' as const) : { offset: from };
      for await (const { key, value, offset } of person.client.read(latestTopic, { from: place, until: 'end' }))
        reading.take(key ?? '', value, offset);
    } catch (error) {
      if (error instanceof Violation) throw error;
      const { reason, retriable, message } = asMoldau(error);
      trace.note(`${person.name} reads: ${reason}`);
      // A copy that rots is made anew; the only one is not damaged here.
      if (retriable || reason === 'CORRUPT_DATA') return false;
      throw new Violation('I18', `reading ${latestTopic} ended with ${reason}: ${message}`);
    }
    trace.note(`${person.name} has read ${reading.count} from ${from}`);
    return true;
  }

  get #nowMs(): Millis {
    return this.#world.cluster.time.monotonicMs();
  }
}
