import { MoldauError } from '@moldau/kernel';
import type { WatchMetadataResponse } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Node, Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ClusterChange } from './cluster-state.ts';

/** Gathers the parts of a snapshot or of a change until they are complete. */
export class MetadataDraft {
  #hasBegun = false;
  #nodes: Node[] = [];
  #removedNodes: number[] = [];
  #topics: Topic[] = [];
  #removedTopics: string[] = [];

  /** Takes the next message of one stream. Throws INTERNAL when the stream begins with a change: a change of what? */
  add({ snapshot, nodes, removedNodes, topics, removedTopicIds }: WatchMetadataResponse): void {
    if (!this.#hasBegun && !snapshot) throw new MoldauError('INTERNAL', 'a watch of metadata began without a snapshot');
    this.#hasBegun = true;
    this.#nodes.push(...nodes);
    this.#removedNodes.push(...removedNodes);
    this.#topics.push(...topics);
    this.#removedTopics.push(...removedTopicIds);
  }

  /** All that came since it was last taken. */
  take(): ClusterChange {
    const whole = {
      nodes: this.#nodes,
      removedNodes: this.#removedNodes,
      topics: this.#topics,
      removedTopics: this.#removedTopics,
    };
    this.#nodes = [];
    this.#removedNodes = [];
    this.#topics = [];
    this.#removedTopics = [];
    return whole;
  }
}
