import type { ClusterImage } from './cluster-image.ts';
import type { TopicImage } from './image-parts.ts';

export interface Finding {
  readonly severity: 'warning' | 'critical';
  /** What, and what to do: one line. */
  readonly message: string;
}

/** What a node does: leads and follows, is being emptied, or is not there. */
export type NodeState = 'active' | 'draining' | 'fenced';

/** The cluster in numbers, and what is wrong with it. */
export interface ClusterHealth {
  readonly nodes: number;
  readonly activeNodes: number;
  /** All nodes, each in one state. */
  readonly nodesByState: Readonly<Record<NodeState, number>>;
  readonly topics: number;
  readonly partitions: number;
  readonly offlinePartitions: number;
  readonly underReplicatedPartitions: number;
  /** That have a leader, which takes no append with acks = all. */
  readonly belowMinIsrPartitions: number;
  readonly findings: readonly Finding[];
}

const namesMax = 3;

/** Partitions of one kind: how many, and the first of them by name. */
class Tally {
  count = 0;
  readonly #names: string[] = [];

  add(topic: TopicImage, index: number): void {
    this.count += 1;
    if (this.#names.length < namesMax) this.#names.push(`${topic.record.name}/${index}`);
  }

  toString(): string {
    const more = this.count > namesMax ? ', …' : '';
    return `${plural(this.count, 'partition')} (${this.#names.join(', ')}${more})`;
  }
}

/** Looks at every partition: for people who ask and for metrics, not for every change. */
export function clusterHealth(image: ClusterImage): ClusterHealth {
  const nodes = image.nodes();
  const [offline, belowMin, lossy, lagging] = [new Tally(), new Tally(), new Tally(), new Tally()];
  let [partitions, under] = [0, 0];
  for (const topic of image.topics()) {
    for (const { index, state } of image.partitionsOf(topic)) {
      partitions += 1;
      if (state.recovery === 'data-loss') lossy.add(topic, index);
      if (state.leader === undefined) offline.add(topic, index);
      if (state.isr.length >= state.replicas.length) continue;
      under += 1;
      if (state.leader !== undefined) (state.isr.length < state.minIsr ? belowMin : lagging).add(topic, index);
    }
  }
  const fenced = nodes.filter(({ condition }) => condition.fenced);
  const draining = nodes.filter(({ condition }) => condition.draining && !condition.fenced);
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], message: string): number => findings.push({ severity, message });
  if (nodes.length === 0) add('critical', 'no storage node has joined: start one');
  if (offline.count > 0) add('critical', `${offline} without a leader: start the nodes that keep their copies`);
  if (lossy.count > 0) add('critical', `${lossy} lost acknowledged data: restore it from where it came from`);
  if (belowMin.count > 0) {
    add('critical', `${belowMin} with too few in-sync replicas for acks = all: start the nodes that are missing`);
  }
  if (lagging.count > 0) {
    add(
      'warning',
      `${lagging} with replicas that are not in sync: start the nodes that are missing, or let them catch up`,
    );
  }
  if (fenced.length > 0) {
    const ids = fenced.slice(0, 10).map(({ id }) => id);
    add(
      'warning',
      `${plural(fenced.length, 'node')} not serving: ${ids.join(', ')}. Look at their logs, or start them`,
    );
  }
  return {
    nodes: nodes.length,
    activeNodes: nodes.length - fenced.length,
    nodesByState: {
      active: nodes.length - fenced.length - draining.length,
      draining: draining.length,
      fenced: fenced.length,
    },
    topics: image.topicCount,
    partitions,
    offlinePartitions: offline.count,
    underReplicatedPartitions: under,
    belowMinIsrPartitions: belowMin.count,
    findings,
  };
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
