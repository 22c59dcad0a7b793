import { type Logger, type Millis, type Offset, type Random, sleep, type Timers } from '@moldau/kernel';
import type { Partition } from '../partition.ts';
import type { Partitions } from '../partitions.ts';
import type { ScrubMetrics } from './scrub-metrics.ts';
import { type AskLeader, lookAtRange, type RangeLook } from './scrub-range.ts';

/** What a scrubber needs of its node. */
export interface ScrubberPorts {
  readonly partitions: Partitions;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: ScrubMetrics;
  askLeader(...asked: [...Parameters<AskLeader>, signal: AbortSignal]): ReturnType<AskLeader>;
}

/** Scrubbing never takes more than this from the disk. */
const bytesPerSecondMax = 8 * 1024 * 1024;
const pauseMinMs: Millis = 100;
/** What is small is looked at more often than it must be: so nothing that grows meanwhile waits for long. */
const pauseMaxMs: Millis = 600_000;
/** A leader that can't say now is asked again, with the pause of a range in between. */
const attemptsMax = 3;

/**
 * Looks at everything that is committed on this node, so that what nobody reads does not rot in silence: one range at a time,
 * and all of them within an interval, as far as the bandwidth suffices. A damaged copy is given up and fetched again from
 * another one; so is a follower's copy that differs from its leader's although both are whole.
 */
export class Scrubber {
  readonly #ports: ScrubberPorts;
  readonly #intervalMs: Millis;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /** `intervalMs`: Infinity means never. */
  constructor(ports: ScrubberPorts, intervalMs: Millis) {
    this.#ports = ports;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    if (Number.isFinite(this.#intervalMs)) this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      for (let hasLooked = false; ; ) {
        if (!hasLooked) await sleep(this.#ports.timers, Math.min(this.#intervalMs, pauseMaxMs), signal);
        hasLooked = false;
        for (const partition of this.#inAnyOrder()) hasLooked = (await this.#scrub(partition)) || hasLooked;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** A node that is restarted often would else look at the same partitions again and again, and never at the others. */
  #inAnyOrder(): Partition[] {
    const { partitions, random } = this.#ports;
    return [...partitions.all()]
      .map((partition) => ({ partition, place: random.next() }))
      .sort((a, b) => a.place - b.place)
      .map(({ partition }) => partition);
  }

  /** Returns whether there was anything to look at. */
  async #scrub(partition: Partition): Promise<boolean> {
    const { timers } = this.#ports;
    const { signal } = this.#stopping;
    const { log } = partition;
    const ask: AskLeader = (...asked) => this.#ports.askLeader(...asked, signal);
    let hasLooked = false;
    let attempts = 0;
    let from = log.logStart;
    while (!log.isCorrupt && partition.role.kind !== 'removed') {
      const look = await lookAtRange(partition, from, ask, signal);
      if (look === undefined) break;
      this.#note(partition, from, look);
      await sleep(timers, this.#pauseAfter(look.sizeBytes), signal);
      attempts += 1;
      if (look.finding === 'unchecked' && attempts < attemptsMax) continue;
      attempts = 0;
      from = later(look.next, log.logStart);
      hasLooked = true;
    }
    return hasLooked;
  }

  #note(partition: Partition, from: Offset, { finding, next, sizeBytes }: RangeLook): void {
    const { logger, metrics } = this.#ports;
    metrics.scrubbed(sizeBytes);
    if (finding === 'sound' || finding === 'unchecked') return;
    metrics.found(finding);
    const facts = { partition: partition.log.key, from, next };
    if (finding === 'damaged') {
      logger.error('a copy is damaged on disk', facts);
      return;
    }
    logger.error('a copy differs from its leader although both are whole: it is thrown away, and fetched again', facts);
    partition.damaged();
  }

  #pauseAfter(sizeBytes: number): Millis {
    let allBytes = 0;
    for (const { log } of this.#ports.partitions.all()) allBytes += log.sizeBytes;
    const share = (this.#intervalMs * sizeBytes) / Math.max(1, allBytes);
    return Math.max(pauseMinMs, (sizeBytes * 1_000) / bytesPerSecondMax, Math.min(share, pauseMaxMs));
  }
}

const later = (a: Offset, b: Offset): Offset => (a > b ? a : b);
