import { TopicsView, type TopicView } from '@moldau/groups';
import { topicId } from '@moldau/kernel';
import type { Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ClusterView } from '@moldau/routing';

/** The topics that the cluster has, as groups see them. */
export const topicsOf = (view: ClusterView): TopicsView =>
  new TopicsView([...view.topics()].map((topic) => topicView(topic, view)));

function topicView({ id, name, partitions }: Topic, view: ClusterView): TopicView {
  const racks = partitions.map(({ replicas }) => [...new Set(replicas.flatMap((node) => view.node(node)?.rack || []))]);
  return { id: topicId(id), name, partitions: partitions.length, racks };
}
