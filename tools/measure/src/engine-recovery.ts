// What a start after a kill costs: the scan alone, and the whole recovery, which writes the tail again.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HostFileSystem } from '@moldau/host';
import { offset } from '@moldau/kernel';
import { walkBatches } from '@moldau/log/batch-walk';
import { found, given } from './children.ts';
import { openDirectory } from './engine-bench.ts';

/** Reads all segments and checks every batch, as recovery does; returns the bytes. */
async function scan(path: string): Promise<number> {
  let bytes = 0;
  let next = offset(0);
  const segments = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'));
  for (const name of segments.sort()) {
    const file = await new HostFileSystem().openRead(join(path, name));
    const endPosition = await file.size();
    const walked = await walkBatches(
      {
        read: (at, target) => file.read(at, target),
        position: 0,
        endPosition,
        offset: next,
        checkCrc: true,
        windowBytes: 2 ** 20,
      },
      () => true,
    );
    if (walked.kind !== 'end') throw new Error(`the scan stopped: ${walked.problem}`);
    next = walked.offset;
    bytes += endPosition;
    await file.close();
  }
  return bytes;
}

const { path, scans } = given<{ path: string; scans: number }>();
const scanRates: number[] = [];
let bytes = 0;
for (let i = 0; i < scans; i += 1) {
  const startedAt = performance.now();
  bytes = await scan(path);
  scanRates.push(bytes / 1e3 / (performance.now() - startedAt));
}
const startedAt = performance.now();
const directory = await openDirectory(path);
const recoveryRate = bytes / 1e3 / (performance.now() - startedAt);
const [log] = directory.partitions.values();
const records = Number(log?.logEnd ?? 0n);
await directory.close();
found({ scanRates, recoveryRate, records });
