import { createHash, type Hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Found, Ledger } from '@moldau/chaos-tool/ledger';
import { HostFileSystem } from '@moldau/host';
import { surveyPartition, type WalkedBatch } from '@moldau/log';
import { readRecords } from '@moldau/records';

const fs = new HostFileSystem();
const decoder = new TextDecoder();

/** One copy of a partition, read from its files. */
interface Copy {
  readonly node: number;
  readonly partition: number;
  /** Of every byte below the high watermark. */
  readonly hash: string;
  readonly end: bigint;
}

/**
 * Reads what each node has on disk, while none of them runs. Rejects unless every copy is whole, holds everything that was
 * acknowledged, and is the same as the others, byte by byte, below the high watermark.
 */
export async function compareCopies(
  directories: ReadonlyMap<number, string>,
  topicId: string,
  highWatermarks: readonly bigint[],
  ledger: Ledger,
): Promise<void> {
  const copies: Copy[] = [];
  for (const [node, directory] of directories) {
    const found: Found[] = [];
    for (const [partition, path] of partitionsIn(directory, topicId))
      copies.push(await readCopy(node, partition, path, highWatermarks[partition] ?? 0n, found));
    await ledger.balance(`the files of node ${node}`, found);
  }
  for (const [partition, highWatermark] of highWatermarks.entries()) {
    const same = copies.filter((copy) => copy.partition === partition);
    if (same.length !== directories.size) throw new Error(`partition ${partition} has ${same.length} copies on disk`);
    for (const { node, end, hash } of same) {
      if (end < highWatermark)
        throw new Error(`partition ${partition} ends at ${end} on node ${node}, below ${highWatermark}`);
      if (hash !== same[0]?.hash)
        throw new Error(`divergence: partition ${partition} differs between node ${node} and node ${same[0]?.node}`);
    }
  }
}

async function readCopy(
  node: number,
  partition: number,
  path: string,
  highWatermark: bigint,
  found: Found[],
): Promise<Copy> {
  const hash = createHash('sha256');
  let end = 0n;
  const batch = (walked: WalkedBatch): void => {
    end = walked.header.nextOffset;
    if (walked.header.baseOffset < highWatermark) add(walked, partition, hash, found);
  };
  const findings = await surveyPartition(fs, path, { batch }, () => Promise.resolve());
  const [first] = findings;
  if (first !== undefined)
    throw new Error(`node ${node} is damaged: ${first.path} at ${first.position}: ${first.problem}`);
  return { node, partition, hash: hash.digest('hex'), end };
}

function add({ bytes, at, sizeBytes }: WalkedBatch, partition: number, hash: Hash, found: Found[]): void {
  const batch = bytes.subarray(at, at + sizeBytes);
  hash.update(batch);
  for (const { offset, value } of readRecords(batch))
    found.push({ partition, offset, text: decoder.decode(value ?? undefined) });
}

/** The directories of a topic's partitions on a node. */
export function partitionsIn(directory: string, topicId: string): Map<number, string> {
  const folder = join(directory, 'partitions');
  const paths = readdirSync(folder).map((name) => join(folder, name));
  return new Map(
    paths.flatMap((path): [number, string][] => {
      const identity = JSON.parse(readFileSync(join(path, 'partition.json'), 'utf8')) as Identity;
      return identity.topicId === topicId ? [[identity.partition, path]] : [];
    }),
  );
}

interface Identity {
  readonly topicId: string;
  readonly partition: number;
}
