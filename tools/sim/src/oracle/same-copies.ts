import { hasReason, type Offset } from '@moldau/kernel';
import type { Partition } from '@moldau/storage-node';
import type { World } from '../world.ts';
import { Violation } from './violation.ts';
import { place } from './write.ts';

const convergedMaxMs = 60_000;
/** A look finds all that rots. What it finds may be made anew with what the next one finds on another node, and then it is whole. */
const looksMax = 5;

interface CopyOnNode {
  readonly node: string;
  readonly partition: Partition;
}

/**
 * In the end all copies are in sync again, and hold the same bytes up to the same place. One that rots, and was not read
 * since, is found by this look, and must be whole at the next.
 */
export async function requireSameCopies(world: World, topics: readonly string[]): Promise<void> {
  if (world.replicas === 1) return;
  for (let looks = 1, isHealing = true; isHealing; looks += 1) {
    if (looks > looksMax) throw new Violation('liveness', 'a damaged copy is not made whole');
    await world.until(
      'all copies are in sync',
      () => byPartition(world, topics).every(isConverged(world)),
      convergedMaxMs,
    );
    isHealing = false;
    const comparing = world.background(async () => {
      for (const copies of byPartition(world, topics)) isHealing = !(await areSame(world, copies)) || isHealing;
    });
    await world.until('all copies are compared', () => comparing.isOver, convergedMaxMs);
  }
}

function byPartition(world: World, topics: readonly string[]): CopyOnNode[][] {
  const found = new Map<string, CopyOnNode[]>();
  for (const operator of world.operators) {
    for (const partition of operator.isServing ? operator.node.service.partitions : []) {
      if (!topics.includes(partition.topic)) continue;
      const copies = found.get(partition.log.key) ?? [];
      found.set(partition.log.key, [...copies, { node: operator.name, partition }]);
    }
  }
  return [...found.values()];
}

const isConverged =
  (world: World) =>
  (copies: readonly CopyOnNode[]): boolean => {
    const logs = copies.map(({ partition }) => partition.log);
    const [first] = logs;
    const leading = copies.find(({ partition }) => partition.leading !== undefined)?.partition.leading;
    return (
      logs.length === world.replicas &&
      leading?.committed.isr.length === world.replicas &&
      logs.every(
        (log) => !log.isCorrupt && log.highWatermark === log.durableEnd && log.durableEnd === first?.durableEnd,
      )
    );
  };

/** False: one of them is damaged, and is being replaced. */
async function areSame(world: World, copies: readonly CopyOnNode[]): Promise<boolean> {
  const logs = copies.map(({ partition }) => partition.log);
  const start = logs.map(({ logStart }) => logStart).reduce((a, b) => (a > b ? a : b));
  const end = logs.map(({ highWatermark }) => highWatermark).reduce((a, b) => (a < b ? a : b));
  const hashes = await Promise.all(copies.map((copy) => hashOf(world, copy, start, end)));
  if (hashes.includes(undefined)) return false;
  for (const [i, hash] of hashes.entries()) {
    if (hash === hashes[0]) continue;
    throw new Violation(
      'I10',
      `${copies[i]?.partition.name} holds other bytes on ${copies[i]?.node} than on ${copies[0]?.node}`,
    );
  }
  return true;
}

/** `undefined`: it is damaged, as was meant. */
async function hashOf(
  world: World,
  { node, partition }: CopyOnNode,
  start: Offset,
  end: Offset,
): Promise<string | undefined> {
  try {
    const { end: reached, hash } = await partition.log.hashRange(start, end);
    return `${reached} ${hash}`;
  } catch (error) {
    if (!hasReason(error, 'CORRUPT_DATA')) throw error;
    const { topic, partition: index } = partition.log.identity;
    const at = BigInt(error.fields.from ?? -1);
    world.trace.note(`${partition.name} on ${node} is found damaged at ${at}`);
    if (node === world.rotten?.name && world.oracle.truth(place(topic, index)).isWounded(at)) {
      // As whoever finds it on that node says it.
      partition.damaged();
      return undefined;
    }
    throw new Violation('lost', `${partition.name}@${at} is damaged on ${node}, and nobody has damaged it`);
  }
}
