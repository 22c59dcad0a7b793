import {
  type FileSystem,
  leaderEpoch,
  nodeId,
  type Offset,
  offset,
  partitionIndex,
  silentLogger,
  silentMeter,
  topicId,
} from '@moldau/kernel';
import { BatchHeader } from '@moldau/records';
import { CruelDisk, SeededRandom, VirtualTime } from '@moldau/testing';
import {
  type DirectoryOptions,
  defaultLogConfig,
  type LogConfig,
  LogDirectory,
  type LogSlice,
  type PartitionLog,
} from '../../src/index.ts';

export const identity = { topicId: topicId('t0'), topic: 'orders', partition: partitionIndex(0) };
export const epoch = leaderEpoch;

/** A data directory on a cruel disk, on a virtual clock. */
export class Bench {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly disk: CruelDisk;
  readonly options: DirectoryOptions;
  config: LogConfig = { ...defaultLogConfig, retentionMs: undefined };
  directory: LogDirectory | undefined;
  /** The disk as the next process sees it. */
  mount: () => FileSystem = () => this.disk.mount();

  constructor(seed = 1, options: Partial<DirectoryOptions> = {}, disk: { capacityBytes?: number } = {}) {
    this.random = new SeededRandom(seed);
    this.disk = new CruelDisk({ timers: this.time, random: this.random, latencyMs: { min: 0.01, max: 0.3 }, ...disk });
    this.options = {
      path: '/data',
      nodeId: nodeId(1),
      clusterId: 'c1',
      bootId: 'boot-1',
      tailCacheBytes: 1 << 20,
      maxOpenFiles: 64,
      coldReads: 4,
      ...options,
    };
  }

  /** Opens and recovers, as a new process would. */
  async open(options: Partial<DirectoryOptions> = {}): Promise<LogDirectory> {
    const ports = {
      fs: this.mount(),
      clock: this.time,
      timers: this.time,
      random: this.random,
      logger: silentLogger,
      meter: silentMeter,
    };
    const directory = await this.run(LogDirectory.open(ports, { ...this.options, ...options }));
    if (directory.clusterId === undefined) await this.run(directory.adoptCluster('c1'));
    await this.run(directory.recover());
    this.directory = directory;
    return directory;
  }

  /** The log of the one partition: made, or found again. */
  async log(): Promise<PartitionLog> {
    const directory = this.directory ?? (await this.open());
    const [found] = directory.partitions.values();
    found?.configure(this.config);
    return found ?? this.run(directory.create(identity, this.config));
  }

  async reopen(options: Partial<DirectoryOptions> = {}): Promise<PartitionLog> {
    await this.open(options);
    return this.log();
  }

  async close(): Promise<void> {
    if (this.directory !== undefined) await this.run(this.directory.close());
    this.directory = undefined;
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise);
  }

  async settle(log: PartitionLog): Promise<void> {
    await this.time.runUntil(() => log.durableEnd === log.logEnd);
  }

  async read(log: PartitionLog, from: Offset | number, maxBytes = 1 << 20): Promise<LogSlice> {
    return this.run(log.read(offset(from), { maxBytes, below: log.logEnd }));
  }
}

/** The base offsets of the batches in a slice. */
export function offsetsOf(slice: LogSlice): number[] {
  return headersOf(slice).map((header) => Number(header.baseOffset));
}

export function headersOf(slice: LogSlice): BatchHeader[] {
  return slice.chunks.flatMap((chunk) => {
    const headers: BatchHeader[] = [];
    for (let at = 0; at < chunk.length; ) {
      const header = new BatchHeader(chunk, at);
      headers.push(header);
      at += header.sizeBytes;
    }
    return headers;
  });
}
