import { nodeId, topicId } from '@moldau/kernel';
import type { ImageDelta, NodeImage, TopicImage } from '@moldau/metadata';
import type { WatchedMetadata } from '@moldau/routing';
import type { ImageKeeper } from './image-keeper.ts';

/** The image as answers and watches of metadata see it. A change of a partition is a change of its topic. */
export const metadataSource = (keeper: ImageKeeper): WatchedMetadata<NodeImage, TopicImage> => ({
  get version() {
    return keeper.image.revision;
  },
  nodes: () => keeper.image.nodes(),
  node: (id) => keeper.image.node(nodeId(id)),
  topics: () => keeper.image.topics(),
  topic: (id) => keeper.image.topic(topicId(id)),
  topicByName: (name) => keeper.image.topicByName(name),
  nameOf: ({ record }) => record.name,
  partitionCount: ({ record }) => record.partitions,
  onChange: (listener) =>
    keeper.onChange((delta) => listener({ nodes: delta.nodes, topics: { [Symbol.iterator]: () => touched(delta) } })),
});

function* touched({ topics, partitions }: ImageDelta): Generator<string> {
  yield* topics;
  for (const { topic } of partitions.values()) yield topic;
}
