import { type CancelTimer, type Gauge, type Meter, type Revision, repeat, type Timers } from '@moldau/kernel';
import { type ClusterHealth, type ClusterImage, clusterHealth, type NodeState } from '@moldau/metadata';

const lookEveryMs = 1_000;
const nodeStates: readonly NodeState[] = ['active', 'draining', 'fenced'];

/**
 * What `cluster health` counts, as gauges: only the active coordinator sees a partition whose nodes are all dead. It looks
 * at every partition (13 ms for 100 000), so no more than once a second, and only where something has changed.
 */
export class ClusterGauges {
  readonly #timers: Timers;
  readonly #active: Gauge;
  readonly #partitions: Gauge;
  readonly #offline: Gauge;
  readonly #underReplicated: Gauge;
  readonly #belowMinIsr: Gauge;
  readonly #nodes: ReadonlyMap<NodeState, Gauge>;
  #cancel: CancelTimer = () => {};

  constructor({ timers, meter }: { timers: Timers; meter: Meter }) {
    const gauge = (what: string, help: string): Gauge => meter.gauge(`moldau_coordinator_${what}`, help);
    this.#timers = timers;
    this.#active = gauge('active', '1 on the coordinator that decides, 0 on those that stand by');
    this.#partitions = gauge('partitions', 'Partitions of all topics');
    this.#offline = gauge('offline_partitions', 'Partitions without a leader');
    this.#underReplicated = gauge('under_replicated_partitions', 'Partitions of which a replica is not in sync');
    const belowMin = 'Partitions that have a leader, and take no append with acks = all for want of replicas in sync';
    this.#belowMinIsr = gauge('below_min_in_sync_partitions', belowMin);
    const nodes = (state: NodeState): Gauge =>
      meter.gauge('moldau_coordinator_nodes', 'Storage nodes that have joined, ever, by what they do now', { state });
    this.#nodes = new Map(nodeStates.map((state) => [state, nodes(state)]));
    this.stop();
  }

  /** From now on this one is active, and has this image. */
  start(image: ClusterImage): void {
    this.#active.set(1);
    let seen: Revision | undefined;
    const look = (): void => {
      if (image.revision === seen) return;
      seen = image.revision;
      this.#show(clusterHealth(image));
    };
    look();
    this.#cancel = repeat(this.#timers, lookEveryMs, look);
  }

  /** Another one knows from now on: what this one has seen would only grow old. */
  stop(): void {
    this.#cancel();
    this.#active.set(0);
    this.#show(undefined);
  }

  #show(health: ClusterHealth | undefined): void {
    this.#partitions.set(health?.partitions ?? 0);
    this.#offline.set(health?.offlinePartitions ?? 0);
    this.#underReplicated.set(health?.underReplicatedPartitions ?? 0);
    this.#belowMinIsr.set(health?.belowMinIsrPartitions ?? 0);
    for (const [state, gauge] of this.#nodes) gauge.set(health?.nodesByState[state] ?? 0);
  }
}
