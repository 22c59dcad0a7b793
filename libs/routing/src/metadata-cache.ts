import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, type Millis } from '@moldau/kernel';
import {
  ClusterService,
  type GetMetadataRequestSchema,
  type GetMetadataResponse,
} from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Node, Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { Bootstrap } from './bootstrap.ts';

/** Who leads a partition, and how to reach it. */
export interface Leader {
  readonly node: number;
  readonly address: string;
  readonly epoch: number;
}

/** What a client knows of the topics it uses. Older answers of one cluster never replace newer ones. */
export class MetadataCache {
  readonly #bootstrap: Bootstrap;
  readonly #topics = new Map<string, Topic>();
  readonly #addresses = new Map<number, string>();
  readonly #asking = new Map<string, Promise<Topic>>();
  #clusterId = '';
  #version = -1n;

  constructor(bootstrap: Bootstrap) {
    this.#bootstrap = bootstrap;
  }

  /** The topic as it was last seen. `undefined`: never, or it is gone. */
  known(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  /** The topic as it was last seen; asks the cluster when it never was. Throws UNKNOWN_TOPIC. */
  topic(name: string, options: { autoCreate: boolean; timeoutMs: Millis }): Promise<Topic> {
    const known = this.#topics.get(name);
    return known === undefined ? this.refresh(name, options) : Promise.resolve(known);
  }

  /** Asks the cluster anew. Those who ask at one time share one call. Throws UNKNOWN_TOPIC. */
  refresh(name: string, { autoCreate, timeoutMs }: { autoCreate: boolean; timeoutMs: Millis }): Promise<Topic> {
    // Who wants it created must not share the answer of one who does not.
    const question = `${autoCreate} ${name}`;
    const asking = this.#asking.get(question);
    if (asking !== undefined) return asking;
    const answer = this.#ask(name, autoCreate, timeoutMs).finally(() => this.#asking.delete(question));
    this.#asking.set(question, answer);
    return answer;
  }

  /** The topic of that id as it was last seen; asks the cluster when it never was. Throws UNKNOWN_TOPIC. */
  async topicById(id: string, timeoutMs: Millis): Promise<Topic> {
    const seen = (): Topic | undefined => [...this.#topics.values()].find((topic) => topic.id === id);
    const known = seen();
    if (known !== undefined) return known;
    const { topics } = await this.#call({ topicIds: [id] }, timeoutMs);
    const topic = seen() ?? topics.find((found) => found.id === id);
    if (topic === undefined) throw faults.unknownTopic(id);
    return topic;
  }

  /** All nodes, as they are now. */
  async nodes(timeoutMs: Millis): Promise<Node[]> {
    return (await this.#call({}, timeoutMs)).nodes;
  }

  /** The leader as it was last seen. `undefined`: none, or not known. */
  leader(topic: string, partition: number): Leader | undefined {
    const found = this.#topics.get(topic)?.partitions[partition];
    if (found?.leader === undefined) return undefined;
    const address = this.#addresses.get(found.leader);
    return address === undefined ? undefined : { node: found.leader, address, epoch: found.leaderEpoch };
  }

  async #ask(name: string, autoCreate: boolean, timeoutMs: Millis): Promise<Topic> {
    const answer = await this.#call({ topics: [name], autoCreate }, timeoutMs);
    // Whoever is behind proves nothing: neither that a topic is gone, nor how it is.
    const known = answer.version < this.#version ? this.#topics.get(name) : undefined;
    const topic = known ?? answer.topics.find((found) => found.name === name);
    if (topic !== undefined) return topic;
    this.#topics.delete(name);
    throw faults.unknownTopic(name);
  }

  async #call(
    request: MessageInitShape<typeof GetMetadataRequestSchema>,
    timeoutMs: Millis,
  ): Promise<GetMetadataResponse> {
    const answer = await this.#bootstrap.call(timeoutMs, (channel, leftMs) =>
      channel.unary(ClusterService.method.getMetadata, request, { timeoutMs: leftMs }),
    );
    this.#adopt(answer);
    return answer;
  }

  #adopt({ clusterId, version, nodes, topics }: GetMetadataResponse): void {
    if (clusterId !== this.#clusterId) this.#forget();
    else if (version < this.#version) return;
    this.#clusterId = clusterId;
    this.#version = version;
    for (const node of nodes) this.#addresses.set(node.id, node.address);
    for (const topic of topics) this.#topics.set(topic.name, topic);
  }

  /** Another cluster answers now: nothing that was known holds there. */
  #forget(): void {
    this.#topics.clear();
    this.#addresses.clear();
  }
}
