import { closeSync, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HostFileSystem } from '@moldau/host';
import { surveyPartition } from '@moldau/log';

const fs = new HostFileSystem();

/** The segments of a copy, oldest first. The last one is still written to. */
export const segmentsOf = (partition: string): string[] =>
  readdirSync(partition)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(partition, name));

/** Turns over one bit in the middle of a file, as a disk does: nobody is told. */
export function flipBit(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    const position = Math.floor(fstatSync(fd).size / 2);
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, position);
    byte[0] = (byte[0] ?? 0) ^ 0b100;
    writeSync(fd, byte, 0, 1, position);
  } finally {
    closeSync(fd);
  }
}

/** Whether every batch of a sealed segment is as it was written. A copy that is being replaced right now is not. */
export async function isWhole(partition: string): Promise<boolean> {
  const sealed = new Set(segmentsOf(partition).slice(0, -1));
  const findings = await surveyPartition(fs, partition, { batch: () => {} }, () => Promise.resolve()).catch(() => [
    { path: [...sealed][0] ?? '' },
  ]);
  return sealed.size > 0 && findings.every(({ path }) => !sealed.has(path));
}
