import type { Node, Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';

/** What a change replaces and removes: consistent only when all of it is applied. */
export interface ClusterChange {
  readonly nodes: readonly Node[];
  readonly removedNodes: readonly number[];
  readonly topics: readonly Topic[];
  readonly removedTopics: readonly string[];
}

/** Ids of deleted topics that are remembered: a client that names one older than these is told to look again. */
const removedMax = 10_000;

/** The nodes and topics of one cluster: one copy of each, as it came. A change costs what it touches. */
export class ClusterState {
  readonly #nodes = new Map<number, Node>();
  readonly #topics = new Map<string, Topic>();
  readonly #idsByName = new Map<string, string>();
  readonly #removed: Set<string>;

  private constructor(removed: Set<string>) {
    this.#removed = removed;
  }

  /** A state of which nothing is known. */
  static empty(): ClusterState {
    return new ClusterState(new Set());
  }

  /** The state that a snapshot tells, of the cluster whose earlier state was this one. */
  replacedBy(snapshot: ClusterChange): ClusterState {
    const next = new ClusterState(this.#removed);
    next.apply(snapshot);
    for (const id of this.#topics.keys()) if (!next.#topics.has(id)) next.#noteRemoved(id);
    return next;
  }

  apply({ nodes, removedNodes, topics, removedTopics }: ClusterChange): void {
    for (const node of nodes) this.#nodes.set(node.id, node);
    for (const id of removedNodes) this.#nodes.delete(id);
    for (const id of removedTopics) this.#remove(id);
    for (const topic of topics) {
      this.#topics.set(topic.id, topic);
      this.#idsByName.set(topic.name, topic.id);
    }
  }

  /** By id. */
  get nodes(): Node[] {
    return [...this.#nodes.values()].sort((a, b) => a.id - b.id);
  }

  node(id: number): Node | undefined {
    return this.#nodes.get(id);
  }

  get topics(): Iterable<Topic> {
    return this.#topics.values();
  }

  topic(id: string): Topic | undefined {
    return this.#topics.get(id);
  }

  topicByName(name: string): Topic | undefined {
    const id = this.#idsByName.get(name);
    return id === undefined ? undefined : this.#topics.get(id);
  }

  /** Whether a topic of this id was there, and is gone. */
  wasRemoved(id: string): boolean {
    return this.#removed.has(id);
  }

  #remove(id: string): void {
    const topic = this.#topics.get(id);
    if (topic === undefined) return;
    this.#topics.delete(id);
    // A topic that was created again has the name by now.
    if (this.#idsByName.get(topic.name) === id) this.#idsByName.delete(topic.name);
    this.#noteRemoved(id);
  }

  #noteRemoved(id: string): void {
    this.#removed.add(id);
    const [oldest] = this.#removed;
    if (this.#removed.size > removedMax && oldest !== undefined) this.#removed.delete(oldest);
  }
}
