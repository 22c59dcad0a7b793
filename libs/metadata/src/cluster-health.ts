import type { ClusterImage } from './cluster-image.ts';

export interface Finding {
  readonly severity: 'warning' | 'critical';
  /** What, and what to do: one line. */
  readonly message: string;
}

/** The cluster in numbers, and what is wrong with it. */
export interface ClusterHealth {
  readonly nodes: number;
  readonly activeNodes: number;
  readonly topics: number;
  readonly partitions: number;
  readonly offlinePartitions: number;
  readonly underReplicatedPartitions: number;
  readonly findings: readonly Finding[];
}

/** Looks at every partition: for people who ask, not for every change. */
export function clusterHealth(image: ClusterImage): ClusterHealth {
  const nodes = image.nodes();
  const counts = { partitions: 0, offline: 0, under: 0, belowMin: 0, lossy: 0 };
  for (const topic of image.topics()) {
    for (const { state } of image.partitionsOf(topic)) {
      counts.partitions += 1;
      if (state.leader === undefined) counts.offline += 1;
      if (state.isr.length < state.replicas.length) counts.under += 1;
      if (state.leader !== undefined && state.isr.length < state.minIsr) counts.belowMin += 1;
      if (state.recovery === 'data-loss') counts.lossy += 1;
    }
  }
  const fenced = nodes.filter(({ condition }) => condition.fenced);
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], message: string): number => findings.push({ severity, message });
  if (nodes.length === 0) add('critical', 'no storage node has joined: start one');
  if (counts.offline > 0) {
    add('critical', `${plural(counts.offline, 'partition')} without a leader: start the nodes that keep their copies`);
  }
  if (counts.lossy > 0) {
    add('critical', `${plural(counts.lossy, 'partition')} lost acknowledged data: restore it from where it came from`);
  }
  if (counts.belowMin > 0) {
    const what = plural(counts.belowMin, 'partition');
    add('critical', `${what} with too few in-sync replicas for acks = all: start the nodes that are missing`);
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
    topics: image.topicCount,
    partitions: counts.partitions,
    offlinePartitions: counts.offline,
    underReplicatedPartitions: counts.under,
    findings,
  };
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
