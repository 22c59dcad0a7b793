import { FileError, offset, type PartitionKey } from '@moldau/kernel';
import { type CheckpointRecord, readCheckpoint } from '@moldau/log/checkpoint-file';
import { GuardedFileSystem } from '@moldau/log/guarded-file-system';
import { BatchHeader } from '@moldau/records';
import type { Partition } from '@moldau/storage-node';
import type { Operator } from '../operator.ts';
import type { World } from '../world.ts';

type Vouched = ReadonlyMap<PartitionKey, CheckpointRecord>;

/**
 * Flips one bit somewhere in an old segment, and tells the oracle which records that concerns. Returns whose; `undefined`: there is none.
 * Only below the synced end that the checkpoint on the disk vouches for: above it rot can't be told from a torn write.
 */
export async function damageSomething(world: World, operator: Operator): Promise<Partition | undefined> {
  const vouched = await readVouched(world, operator);
  // The checkpoint may have been renamed a moment ago: let its name become durable.
  await world.sleep(20);
  return flipBelow(world, operator, vouched);
}

async function readVouched({ cluster }: World, { node }: Operator): Promise<Vouched> {
  const nothing: Vouched = new Map();
  const fs = new GuardedFileSystem(node.disk.mount(), () => {});
  const read = readCheckpoint(fs, '/data/checkpoint').then(
    (checkpoint) => checkpoint?.partitions ?? nothing,
    (error: unknown) => {
      if (error instanceof FileError) return nothing;
      throw error;
    },
  );
  // A power loss meanwhile: the reading never ends.
  const patience = new Promise<Vouched>((resolve) => cluster.time.after(200, () => resolve(nothing)));
  return Promise.race([read, patience]);
}

function flipBelow(world: World, operator: Operator, vouched: Vouched): Partition | undefined {
  const { oracle, random, trace } = world;
  if (!operator.isServing) return undefined;
  if (world.rotten !== undefined && world.rotten !== operator) return undefined;
  const { disk, service } = operator.node;
  const partitions = [...service.partitions].filter(({ topic }) => topic !== 'scratch');
  const partition = partitions[random.below(partitions.length)];
  if (partition === undefined) return undefined;
  const { log } = partition;
  const syncedEnd = vouched.get(log.key)?.syncedEnd ?? 0n;
  const segments = disk.filesBelow('/data').filter((path) => path.includes(`/${log.key}/`) && path.endsWith('.log'));
  const path = segments.slice(0, -1)[random.below(Math.max(1, segments.length - 1))];
  if (path === undefined) return undefined;
  const file = disk.file(path);
  const bytes = new Uint8Array(file.sizeBytes);
  file.read(0, bytes);
  const starts = batchStarts(bytes).filter((start) => new BatchHeader(bytes, start).nextOffset <= syncedEnd);
  const at = starts[random.below(starts.length)];
  if (at === undefined) return undefined;
  const header = new BatchHeader(bytes, at);
  const damage = { from: offset(header.baseOffset), to: offset(header.nextOffset) };
  // Half of the time in the header: that is where a reader trusts most.
  const byte = at + random.below(random.chance(0.5) ? 61 : header.sizeBytes);
  const name = `${log.identity.topic}/${log.identity.partition}`;
  const truth = oracle.truth(name);
  (world.replicas === 1 ? truth.damages : truth.wounds).push(damage);
  disk.flipBit(path, byte * 8 + random.below(8));
  trace.note(`rot in ${name}@${damage.from}…${damage.to}, byte ${byte - at} of the batch`);
  return partition;
}

/** Where the batches of a segment begin, up to the first that was damaged before. */
function batchStarts(bytes: Uint8Array): number[] {
  const starts: number[] = [];
  let next: bigint | undefined;
  for (let at = 0; at + 61 <= bytes.length; ) {
    const header = new BatchHeader(bytes, at);
    const isSound = header.magic === 2 && header.sizeBytes >= 61 && at + header.sizeBytes <= bytes.length;
    if (!isSound || (next !== undefined && header.baseOffset !== next)) return starts;
    if (header.lastOffsetDelta < 0 || header.recordsCount !== header.lastOffsetDelta + 1) return starts;
    starts.push(at);
    next = header.nextOffset;
    at += header.sizeBytes;
  }
  return starts;
}
