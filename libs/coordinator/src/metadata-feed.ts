import type { NodeId, Revision, TopicId } from '@moldau/kernel';
import type { ClusterImage, ImageDelta, NodeImage, TopicImage } from '@moldau/metadata';

/** One message of a metadata watch. */
export interface MetadataChange {
  readonly version: Revision;
  readonly snapshot: boolean;
  readonly complete: boolean;
  readonly nodes: readonly NodeImage[];
  readonly removedNodes: readonly NodeId[];
  readonly topics: readonly TopicImage[];
  readonly removedTopics: readonly TopicId[];
}

/** Beyond so many changed topics a new snapshot costs no more, and the names need not be kept. */
const changedTopicsMax = 10_000;
/** Partitions in one message: some hundred KiB. A larger topic travels whole, alone. */
const partitionsInMessage = 5_000;

/**
 * What one watcher has not been told yet, as names: a slow watcher costs no queue, skips what was overtaken, and gets a new
 * snapshot when it is too far behind.
 */
export class MetadataFeed {
  readonly #image: ClusterImage;
  /** Empty: all. */
  readonly #wanted: ReadonlySet<string>;
  /** Topics that the watcher knows: only they can be gone for it. */
  readonly #told = new Set<TopicId>();
  readonly #nodes = new Set<NodeId>();
  readonly #topics = new Set<TopicId>();
  #snapshotDue = true;

  constructor(image: ClusterImage, wanted: readonly string[]) {
    this.#image = image;
    this.#wanted = new Set(wanted);
  }

  /** True when the watcher has something new to hear. */
  note(delta: ImageDelta): boolean {
    for (const id of delta.nodes) this.#nodes.add(id);
    for (const id of delta.topics) this.#noteTopic(id);
    for (const { topic } of delta.partitions.values()) this.#noteTopic(topic);
    if (this.#topics.size > changedTopicsMax) this.#snapshotDue = true;
    return this.#snapshotDue || this.#nodes.size > 0 || this.#topics.size > 0;
  }

  /**
   * Everything that is new, as messages that are complete together; none when there is nothing. Each is made when it is asked
   * for, but all from names that were taken at once: they reach the version of that moment, and what changed since comes again.
   */
  *take(): Generator<MetadataChange> {
    const snapshot = this.#snapshotDue;
    const nodes = snapshot ? this.#image.nodes().map(({ id }) => id) : [...this.#nodes];
    const topics = snapshot ? this.#wantedTopics() : [...this.#topics];
    if (snapshot) this.#told.clear();
    this.#snapshotDue = false;
    this.#nodes.clear();
    this.#topics.clear();
    if (!snapshot && nodes.length === 0 && topics.length === 0) return;
    yield* this.#messages(snapshot, nodes, topics);
  }

  *#messages(snapshot: boolean, nodes: readonly NodeId[], ids: readonly TopicId[]): Generator<MetadataChange> {
    const present = nodes.flatMap((id) => this.#image.node(id) ?? []);
    const removedNodes = nodes.filter((id) => this.#image.node(id) === undefined);
    const version = this.#image.revision;
    let message = { nodes: present, removedNodes, topics: [] as TopicImage[], removedTopics: [] as TopicId[] };
    let partitions = 0;
    for (const id of ids) {
      const topic = this.#image.topic(id);
      const size = topic?.record.partitions ?? 1;
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

  #noteTopic(id: TopicId): void {
    const topic = this.#image.topic(id);
    const wanted = topic !== undefined && (this.#wanted.size === 0 || this.#wanted.has(topic.record.name));
    if (wanted || this.#told.has(id)) this.#topics.add(id);
  }

  #wantedTopics(): TopicId[] {
    if (this.#wanted.size === 0) return [...this.#image.topics()].map(({ id }) => id);
    return [...this.#wanted].flatMap((name) => this.#image.topicByName(name)?.id ?? []);
  }
}
