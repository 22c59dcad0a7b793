import type { System } from '../system.ts';
import { fetchKafka, kafkaVersion } from './fetch-kafka.ts';
import { startNodes } from './nodes.ts';
import { consumerProperties, producerProperties, RunningKafka } from './running-kafka.ts';

const settings = [
  'KRaft, brokers that are controllers too, -Xmx1G, G1, no fsync per record (its default: copies are what keeps them)',
  `ProducerPerformance ${producerProperties.join(' ')}`,
  `ConsumerPerformance ${consumerProperties.join(' ')}, checksums unread (its default)`,
  'latency: acks=all linger.ms=0',
].join('; ');

/** Apache Kafka, from its makers' jars. */
export const kafka: System = {
  name: 'Apache Kafka',
  nodes: [1, 3],
  async install() {
    const java = await fetchKafka();
    return {
      version: kafkaVersion,
      settings,
      start: async (directory, nodes) => new RunningKafka(java, await startNodes(java, directory, nodes), directory),
    };
  },
};
