import type { Changed, MetadataSource } from './metadata-source.ts';

/** One message of a metadata watch. */
export interface MetadataChange<N, T> {
  readonly version: bigint;
  readonly snapshot: boolean;
  readonly complete: boolean;
  readonly nodes: readonly N[];
  readonly removedNodes: readonly number[];
  readonly topics: readonly T[];
  readonly removedTopics: readonly string[];
}

/** Beyond so many changed topics a new snapshot costs no more, and the names need not be kept. */
const changedTopicsMax = 10_000;
/** Partitions in one message: some hundred KiB. A larger topic travels whole, alone. */
const partitionsInMessage = 5_000;

/**
 * What one watcher has not been told yet, as names: a slow watcher costs no queue, skips what was overtaken, and gets a new
 * snapshot when it is too far behind.
 */
export class MetadataFeed<N extends { readonly id: number }, T extends { readonly id: string }> {
  readonly #source: MetadataSource<N, T>;
  /** Empty: all. */
  readonly #wanted: ReadonlySet<string>;
  /** Topics that the watcher knows: only they can be gone for it. */
  readonly #told = new Set<string>();
  readonly #nodes = new Set<number>();
  readonly #topics = new Set<string>();
  #snapshotDue = true;

  constructor(source: MetadataSource<N, T>, wanted: readonly string[]) {
    this.#source = source;
    this.#wanted = new Set(wanted);
  }

  /** True when the watcher has something new to hear. */
  note(changed: Changed): boolean {
    if (changed === 'anything') this.#snapshotDue = true;
    else {
      for (const id of changed.nodes) this.#nodes.add(id);
      for (const id of changed.topics) this.#noteTopic(id);
    }
    if (this.#topics.size > changedTopicsMax) this.#snapshotDue = true;
    return this.#snapshotDue || this.#nodes.size > 0 || this.#topics.size > 0;
  }

  /**
   * Everything that is new, as messages that are complete together; none when there is nothing. Each is made when it is asked
   * for, but all from names that were taken at once: they reach the version of that moment, and what changed since comes again.
   */
  *take(): Generator<MetadataChange<N, T>> {
    const snapshot = this.#snapshotDue;
    const nodes = snapshot ? [...this.#source.nodes()].map(({ id }) => id) : [...this.#nodes];
    const topics = snapshot ? this.#wantedTopics() : [...this.#topics];
    if (snapshot) this.#told.clear();
    this.#snapshotDue = false;
    this.#nodes.clear();
    this.#topics.clear();
    if (!snapshot && nodes.length === 0 && topics.length === 0) return;
    yield* this.#messages(snapshot, nodes, topics);
  }

  *#messages(snapshot: boolean, nodes: readonly number[], ids: readonly string[]): Generator<MetadataChange<N, T>> {
    const source = this.#source;
    const present = nodes.flatMap((id) => source.node(id) ?? []);
    const removedNodes = nodes.filter((id) => source.node(id) === undefined);
    const { version } = source;
    let message = { nodes: present, removedNodes, topics: [] as T[], removedTopics: [] as string[] };
    let partitions = 0;
    for (const id of ids) {
      const topic = source.topic(id);
      const size = topic === undefined ? 1 : source.partitionCount(topic);
      if (partitions > 0 && partitions + size > partitionsInMessage) {
        yield { ...message, snapshot, complete: false, version };
        message = { nodes: [], removedNodes: [], topics: [], removedTopics: [] };
        partitions = 0;
      }
      partitions += size;
      if (topic === undefined) message.removedTopics.push(id);
      else message.topics.push(topic);
      if (topic === undefined) this.#told.delete(id);
      else this.#told.add(id);
    }
    yield { ...message, snapshot, complete: true, version };
  }

  #noteTopic(id: string): void {
    const topic = this.#source.topic(id);
    const wanted = topic !== undefined && (this.#wanted.size === 0 || this.#wanted.has(this.#source.nameOf(topic)));
    if (wanted || this.#told.has(id)) this.#topics.add(id);
  }

  #wantedTopics(): string[] {
    if (this.#wanted.size === 0) return [...this.#source.topics()].map(({ id }) => id);
    return [...this.#wanted].flatMap((name) => this.#source.topicByName(name)?.id ?? []);
  }
}
