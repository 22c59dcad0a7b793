import { assert, type NodeId } from '@moldau/kernel';

/** A node that may get replicas. */
export interface PlacementNode {
  readonly id: NodeId;
  /** Empty: a rack of its own. */
  readonly rack: string;
  /** Partitions that it has a copy of. */
  readonly replicas: number;
  /** Partitions that it leads. */
  readonly led: number;
}

type Load = { readonly id: NodeId; readonly rack: string; replicas: number; led: number };

/**
 * Chooses the replicas of new partitions, preferred leader first: over racks, then nodes, then by load, leaders balanced.
 * The same nodes and seed give the same answer; the seed only breaks ties, so that small topics do not all begin at node 1.
 */
export function placeReplicas(
  nodes: readonly PlacementNode[],
  partitions: number,
  replicas: number,
  seed: number,
): NodeId[][] {
  assert(replicas >= 1 && replicas <= nodes.length, 'there are as many nodes as replicas');
  const loads: Load[] = nodes.map(({ id, rack, ...load }) => ({
    ...load,
    id,
    rack: rack === '' ? `node ${id}` : rack,
  }));
  return Array.from({ length: partitions }, (_, partition) => placeOne(loads, replicas, mix(seed + partition)));
}

function placeOne(loads: readonly Load[], replicas: number, seed: number): NodeId[] {
  const chosen: Load[] = [];
  const racks = new Set<string>();
  while (chosen.length < replicas) {
    const leader = chosen.length === 0;
    let best: Load | undefined;
    for (const load of loads) {
      if (chosen.includes(load)) continue;
      if (best === undefined || better(load, best, racks, leader, seed)) best = load;
    }
    assert(best !== undefined, 'there is a node left');
    chosen.push(best);
    racks.add(best.rack);
    best.replicas += 1;
    if (leader) best.led += 1;
  }
  return chosen.map(({ id }) => id);
}

/** True when `a` is the better place for the next replica. */
function better(a: Load, b: Load, racks: ReadonlySet<string>, leader: boolean, seed: number): boolean {
  const crowded = Number(racks.has(a.rack)) - Number(racks.has(b.rack));
  if (crowded !== 0) return crowded < 0;
  if (leader && a.led !== b.led) return a.led < b.led;
  if (a.replicas !== b.replicas) return a.replicas < b.replicas;
  return mix(seed ^ a.id) < mix(seed ^ b.id);
}

/** Scatters a 32-bit number. */
function mix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return (h ^ (h >>> 16)) >>> 0;
}
