import { faults, hasReason, type Timers } from '@moldau/kernel';
import { clusterHealth, type Finding, resolveTopicConfig } from '@moldau/metadata';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { checkNames, wantedTopics, watchMetadata } from '@moldau/routing';
import { type CallContext, type ServedService, serve } from '@moldau/rpc';
import type { ImageKeeper } from './image-keeper.ts';
import { metadataSource } from './metadata-source.ts';
import { pageOf } from './pages.ts';
import type { CoordinatorConfig } from './ports.ts';
import type { TopicChanges } from './topic-changes.ts';
import type { TopicCreation } from './topic-creation.ts';
import * as wire from './wire.ts';

/** What the service needs of a coordinator that is active. */
export interface ClusterParts {
  readonly clusterId: string;
  readonly keeper: ImageKeeper;
  readonly creation: TopicCreation;
  readonly changes: TopicChanges;
  /** What is wrong with the world around the metadata. */
  findings(): Finding[];
  /** Aborted when it is active no more. */
  readonly over: AbortSignal;
}

/** `active` throws NOT_SERVING while there is nothing to serve. */
export function clusterService(active: () => ClusterParts, config: CoordinatorConfig, timers: Timers): ServedService {
  const rewrittenTo = (context: CallContext): string | undefined =>
    config.advertise === 'authority' ? context.authority : undefined;

  return serve(ClusterService, {
    async getMetadata(request, context) {
      const parts = active();
      checkNames([...request.topics, ...request.topicIds]);
      if (request.autoCreate && config.autoCreate) await createMissing(parts, request.topics);
      const { image } = parts.keeper;
      return {
        clusterId: parts.clusterId,
        version: image.revision,
        nodes: image.nodes().map((node) => wire.toNode(node, rewrittenTo(context))),
        topics: wantedTopics(metadataSource(parts.keeper), request).map((topic) => wire.toTopic(image, topic)),
      };
    },

    async *watchMetadata(request, context) {
      const { keeper, clusterId, over } = active();
      checkNames(request.topics);
      const signal = AbortSignal.any([context.signal, over]);
      for await (const change of watchMetadata(metadataSource(keeper), timers, request.topics, signal)) {
        yield wire.toMetadataChange(keeper.image, clusterId, change, rewrittenTo(context));
      }
      over.throwIfAborted();
    },

    async createTopic(request) {
      const { keeper, creation } = active();
      const asked = { ...request, config: wire.fromConfig(request.config) };
      if (request.validateOnly) {
        const { record, partitions } = creation.plan(asked);
        return { topic: wire.toPlannedTopic(keeper.image, record, partitions), version: keeper.image.revision };
      }
      const { topic, version } = await creation.create(asked);
      return { topic: wire.toTopic(keeper.image, topic), version };
    },

    async deleteTopic(request) {
      const { keeper, changes } = active();
      const asked = { name: request.name, requestId: request.requestId };
      if (request.validateOnly) return { topicId: changes.planDeletion(asked).id, version: keeper.image.revision };
      const { topic, version } = await changes.delete(asked);
      return { topicId: topic, version };
    },

    async describeTopic(request) {
      const { image } = active().keeper;
      const topic = image.topicByName(request.name);
      if (topic === undefined) throw faults.unknownTopic(request.name);
      return {
        topic: wire.toTopic(image, topic),
        config: resolveTopicConfig(topic.record.config, image.clusterConfig).map(wire.toConfigValue),
        createdMs: BigInt(topic.record.createdMs),
      };
    },

    async listTopics(request) {
      const { image } = active().keeper;
      const topics = [...image.topics()].filter(({ record }) => request.includeInternal || !record.internal);
      topics.sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
      const page = pageOf(topics, (topic) => topic.record.name, request, String);
      return { topics: page.items.map((topic) => wire.toSummary(image, topic)), nextPageToken: page.nextPageToken };
    },

    async updateTopic(request) {
      const { keeper, changes } = active();
      const { image } = keeper;
      const asked = { ...request, set: wire.fromConfig(request.set) };
      const planned = request.validateOnly ? changes.plan(asked) : undefined;
      const { topic, version } =
        planned === undefined ? await changes.update(asked) : { topic: planned.topic, version: image.revision };
      const record = planned?.record ?? topic.record;
      return {
        topic: wire.toTopic(image, topic),
        config: resolveTopicConfig(record.config, image.clusterConfig).map(wire.toConfigValue),
        version,
      };
    },

    async describeCluster() {
      const parts = active();
      const { keeper, clusterId } = parts;
      const { findings, ...counts } = clusterHealth(keeper.image);
      return {
        ...counts,
        clusterId,
        version: keeper.image.revision,
        coordinator: config.instance,
        findings: [...findings, ...parts.findings()].map(wire.toFinding),
      };
    },

    async listNodes(request, context) {
      const page = pageOf(active().keeper.image.nodes(), (node) => Number(node.id), request, Number);
      return {
        nodes: page.items.map((node) => wire.toNode(node, rewrittenTo(context))),
        nextPageToken: page.nextPageToken,
      };
    },
  });
}

/** With the cluster's defaults. Someone else may have been faster. */
async function createMissing({ keeper, creation }: ClusterParts, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (keeper.image.topicByName(name) !== undefined) continue;
    try {
      await creation.create({ name, partitions: 0, replicas: 0, config: {} });
    } catch (error) {
      if (!hasReason(error, 'TOPIC_EXISTS')) throw error;
    }
  }
}
