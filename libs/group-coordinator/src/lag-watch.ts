import { type GroupId, partitionOf, type StoredOffset } from '@moldau/groups';
import {
  type CancelTimer,
  type Logger,
  type Millis,
  type PartitionKey,
  repeat,
  type Timers,
  type TopicId,
} from '@moldau/kernel';
import { lagOf } from './lag.ts';
import { type LagSeries, shownMax } from './lag-series.ts';
import type { LogEnds } from './log-ends.ts';
import type { OwnedShards } from './owned-shards.ts';

/** What lag is told from. */
export interface LagWatchParts {
  readonly series: LagSeries;
  readonly shards: OwnedShards;
  readonly ends: LogEnds;
  /** The name of a topic. `undefined`: there is none, as far as is known. */
  readonly topicName: (topic: TopicId) => string | undefined;
  /** In wall-clock time. */
  readonly nowMs: () => Millis;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Each look asks the leaders of all that was committed, and reads a record of each partition that lags. */
const lookEveryMs: Millis = 30_000;

/** Looks how far the groups of the served shards are behind: at the first positions, by shard and group, that there is room for. */
export class LagWatch {
  readonly #parts: LagWatchParts;
  #looking: Promise<void> | undefined;
  #cancel: CancelTimer = () => {};
  #isStopped = false;

  constructor(parts: LagWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = repeat(this.#parts.timers, lookEveryMs, () => {
      // One that takes longer is waited for.
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    });
  }

  /** Nothing is shown any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#parts.series.keep(new Set(), 0);
  }

  async #look(): Promise<void> {
    const { shards, series, logger } = this.#parts;
    const shown = new Set<string>();
    let room = shownMax;
    let leftOut = 0;
    try {
      for (const { watch } of shards.serving()) {
        for (const { id, offsets } of [...watch.groups.values()]) {
          const some = new Map([...offsets].slice(0, room));
          room -= some.size;
          leftOut += offsets.size - some.size;
          if (some.size > 0) for (const key of await this.#show(id, some)) shown.add(key);
        }
      }
      // What is gone, or with another process, is behind nothing here.
      if (!this.#isStopped) series.keep(shown, leftOut);
    } catch (error) {
      logger.error('could not look at the lag of groups', { error });
    }
  }

  async #show(group: GroupId, offsets: ReadonlyMap<PartitionKey, StoredOffset>): Promise<string[]> {
    const { series, ends, nowMs, topicName } = this.#parts;
    const lags = await lagOf(offsets, ends, nowMs);
    if (this.#isStopped) return [];
    return [...offsets.keys()].flatMap((key, i) => {
      const lag = lags[i];
      const { topic: id, partition } = partitionOf(key);
      const topic = topicName(id);
      if (lag === undefined || topic === undefined) return [];
      const { records, behindMs } = lag;
      return [series.show({ group, topic, partition }, records, behindMs === undefined ? undefined : Number(behindMs))];
    });
  }
}
