import { bootId, clientTimers, HostFileSystem, hostClock, hostRandom } from '@moldau/host';
import { leaderEpoch, nodeId, type Offset, partitionIndex, silentLogger, silentMeter, topicId } from '@moldau/kernel';
import { type DirectoryOptions, defaultLogConfig, LogDirectory, type PartitionLog } from '@moldau/log';
import { BatchBuilder } from '@moldau/records';

const ports = {
  fs: new HostFileSystem(),
  clock: hostClock,
  timers: clientTimers,
  random: hostRandom,
  logger: silentLogger,
  meter: silentMeter,
};

/** Opens a data directory on the disk of this machine, as a storage node does, and recovers it. */
export async function openDirectory(path: string, options: Partial<DirectoryOptions> = {}): Promise<LogDirectory> {
  const directory = await LogDirectory.open(ports, {
    path,
    nodeId: nodeId(1),
    bootId: await bootId(),
    tailCacheBytes: 64 * 2 ** 20,
    minFreeBytes: 0,
    ...options,
  });
  if (directory.clusterId === undefined) await directory.adoptCluster('measured');
  await directory.recover();
  return directory;
}

/** Makes partitions, and leads them. */
export async function makePartitions(directory: LogDirectory, count: number): Promise<PartitionLog[]> {
  const logs: PartitionLog[] = [];
  let made = 0;
  const makeSome = async (): Promise<void> => {
    for (let index = made++; index < count; index = made++) {
      const identity = { topicId: topicId('t0'), topic: 'measured', partition: partitionIndex(index) };
      const log = await directory.create(identity, defaultLogConfig);
      log.lead(leaderEpoch(1));
      logs.push(log);
    }
  };
  await Promise.all(Array.from({ length: 32 }, makeSome));
  return logs;
}

/** A batch of one record, of about so many bytes in all. */
export function batchOf(bytes: number): Uint8Array {
  const builder = new BatchBuilder(bytes);
  const around = 80;
  builder.add({ key: null, value: Buffer.alloc(bytes - around, 0x61), timestampMs: hostClock.wallMs() });
  return builder.build('none', undefined);
}

/** Appends a copy of the batch; resolves when it is durable. */
export function appendDurably(log: PartitionLog, batch: Uint8Array, durable: DurableEnds): Promise<void> {
  const { kind, ...appended } = log.append(new Uint8Array(batch));
  if (kind !== 'appended' || !('nextOffset' in appended)) throw new Error('a batch without a producer is no duplicate');
  return durable.reached(log, appended.nextOffset);
}

/** Waits for durable ends, of any number of logs, with one callback each. */
export class DurableEnds {
  readonly #waiting = new Map<PartitionLog, { readonly end: Offset; readonly resolve: () => void }>();

  watch(log: PartitionLog): void {
    log.onDurable((end) => {
      const waiting = this.#waiting.get(log);
      if (waiting === undefined || end < waiting.end) return;
      this.#waiting.delete(log);
      waiting.resolve();
    });
  }

  /** One at a time for each log. */
  reached(log: PartitionLog, end: Offset): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(log, { end, resolve }));
  }
}
