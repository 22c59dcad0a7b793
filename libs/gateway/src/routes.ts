import { faults, leaderEpoch, type MoldauError, nodeId } from '@moldau/kernel';
import type { Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ClusterView, Leader } from '@moldau/routing';

// Who leads a partition, or why nobody is known to: the answers are those of a storage node.

/** A topic as a unary call names it: by its id where there is one. */
export interface Named {
  readonly topic: string;
  readonly topicId?: string | undefined;
}

/** Where a partition is led, and of which topic it is: a name may come to mean another one. */
export interface Target extends Leader {
  readonly topicId: string;
}

/** As unary calls name it. Throws UNKNOWN_TOPIC, UNKNOWN_PARTITION, or NOT_LEADER when nobody leads it now. */
export function targetOf(view: ClusterView, named: Named, index: number): Target {
  const topic = topicOf(view, named);
  if (index >= topic.partitions.length) throw faults.unknownPartition(topic.name, index, topic.partitions.length);
  return { ...leaderOf(view, topic, index), topicId: topic.id };
}

/** By id, as sessions name it. Throws UNKNOWN_TOPIC when the topic is known to be gone, else NOT_LEADER. */
export function leaderById(view: ClusterView, id: string, index: number): Leader {
  const topic = view.topic(id);
  if (topic !== undefined) return leaderOf(view, topic, index);
  if (view.wasRemoved(id)) throw faults.unknownTopic(id);
  // Its id comes from metadata: someone has heard of the topic before this process.
  throw faults.notLeader(`${id}/${index}`, undefined, undefined);
}

/** Why a partition is not with this node any more. `undefined`: nobody else leads it, as far as this process knows. */
export function movedFrom(
  node: number,
  view: ClusterView,
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
): MoldauError | undefined {
  const topic = view.topic(topicId);
  const leader = topic && view.leader(topic, partition);
  if (topic === undefined || leader === undefined || leader.node === node) return undefined;
  return faults.notLeader(`${topic.name}/${partition}`, nodeId(leader.node), leaderEpoch(leader.epoch));
}

/** Throws UNKNOWN_TOPIC. */
export function topicOf(view: ClusterView, { topic: name, topicId }: Named): Topic {
  const topic = topicId === undefined ? view.topicByName(name) : view.topic(topicId);
  if (topic === undefined) throw faults.unknownTopic(topicId ?? name);
  return topic;
}

function leaderOf(view: ClusterView, topic: Topic, index: number): Leader {
  const leader = view.leader(topic, index);
  if (leader !== undefined) return leader;
  const epoch = topic.partitions[index]?.leaderEpoch;
  throw faults.notLeader(`${topic.name}/${index}`, undefined, epoch === undefined ? undefined : leaderEpoch(epoch));
}
