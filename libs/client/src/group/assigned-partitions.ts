import { type Millis, MoldauError, type PartitionKey, sleep } from '@moldau/kernel';
import type { ClientPorts } from '../client-ports.ts';
import type { FetchSource } from '../fetch-source.ts';
import type { Place } from '../place.ts';
import type { Reader } from '../reader.ts';
import type { RecordFeed } from '../record-feed.ts';
import { AssignedPartition } from './assigned-partition.ts';
import type { GroupEvents } from './group-events.ts';
import type { Granted } from './membership-machine.ts';

/** What partitions are read by. */
export interface AssignedPartitionsParts {
  readonly ports: ClientPorts;
  readonly reader: Reader;
  readonly feed: RecordFeed;
  readonly events: GroupEvents;
  /** Where to begin if nothing is committed. */
  readonly from: Place;
}

const namesAgainMs: Millis = 200;

/** The partitions that a member has. They are named by ids of topics, and are read once their names are known here. */
export class AssignedPartitions implements Iterable<AssignedPartition> {
  readonly #parts: AssignedPartitionsParts;
  /** All that was granted, and not stopped since: the grant itself, for a partition may come, go and come again. */
  readonly #granted = new Map<PartitionKey, Granted>();
  readonly #assigned = new Map<PartitionKey, AssignedPartition>();
  readonly #bySource = new Map<FetchSource, AssignedPartition>();
  #isOver = false;

  constructor(parts: AssignedPartitionsParts) {
    this.#parts = parts;
  }

  [Symbol.iterator](): Iterator<AssignedPartition> {
    return this.#assigned.values();
  }

  /** Those with a name. */
  get size(): number {
    return this.#assigned.size;
  }

  of(source: FetchSource): AssignedPartition | undefined {
    return this.#bySource.get(source);
  }

  /** Reads them, as soon as their names are known; not when all has been stopped. Rejects only with bugs. */
  async begin(granted: readonly Granted[]): Promise<void> {
    if (this.#isOver) return;
    for (const one of granted) this.#granted.set(one.key, one);
    const topics = Map.groupBy(granted, ({ topicId }) => topicId);
    await Promise.all([...topics].map(([id, some]) => this.#beginTopic(id, some)));
  }

  /** What is read of these is dropped, and nothing more comes. Those are returned that were read; they are `forget`ten later. */
  stop(keys: readonly PartitionKey[]): AssignedPartition[] {
    const stopped: AssignedPartition[] = [];
    for (const key of keys) {
      this.#granted.delete(key);
      const one = this.#assigned.get(key);
      if (one === undefined) continue;
      this.#bySource.delete(one.source);
      this.#parts.feed.drop(one.source);
      this.#parts.reader.remove(one.source);
      stopped.push(one);
    }
    return stopped;
  }

  /** The same of all that it has; and what comes to it from now on, or has no name yet, is never read. */
  stopAll(): AssignedPartition[] {
    this.#isOver = true;
    this.#granted.clear();
    return this.stop([...this.#assigned.keys()]);
  }

  /** They are the member's no more. */
  forget(some: readonly AssignedPartition[], error?: MoldauError): void {
    for (const one of some) {
      one.end(error);
      if (this.#assigned.get(one.key) === one) this.#assigned.delete(one.key);
    }
  }

  /** Goes on elsewhere with one of them; what was read ahead of it is dropped. */
  seek({ source }: AssignedPartition, to: Place): void {
    this.#parts.feed.drop(source);
    this.#parts.reader.seek(source, to);
  }

  async #beginTopic(topicId: string, some: readonly Granted[]): Promise<void> {
    const { events, from, reader } = this.#parts;
    const wanted = (): Granted[] => some.filter((one) => this.#granted.get(one.key) === one);
    const name = await this.#nameOf(topicId, () => wanted().length > 0);
    if (name === undefined) return;
    const begun = wanted().map((one) => new AssignedPartition(one, name, from));
    for (const one of begun) {
      this.#assigned.set(one.key, one);
      this.#bySource.set(one.source, one);
    }
    await events.tell('assigned', begun);
    for (const one of begun) if (this.of(one.source) === one) reader.add(one.source);
  }

  /** A topic that was just made may be unknown where we ask. `undefined`: none of its partitions is wanted any more. */
  async #nameOf(topicId: string, isWanted: () => boolean): Promise<string | undefined> {
    const { metadata, timers, timeoutMs } = this.#parts.ports;
    while (isWanted()) {
      try {
        return (await metadata.topicById(topicId, timeoutMs)).name;
      } catch (error) {
        if (!(error instanceof MoldauError)) throw error;
        this.#parts.ports.logger.debug('a topic has no name here yet', { topic: topicId, error });
      }
      await sleep(timers, namesAgainMs);
    }
    return undefined;
  }
}
