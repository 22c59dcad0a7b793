import {
  assert,
  type CancelTimer,
  type DirectoryLock,
  type FileError,
  type LeaderEpoch,
  type PartitionKey,
  partitionKey,
  type Revision,
  repeat,
  revision,
} from '@moldau/kernel';
import { CheckpointFile } from './checkpoint-file.ts';
import { writeCleanMarker } from './clean-marker.ts';
import type { TimeRange } from './compaction/compaction-run.ts';
import { Compactor, defaultCompactionLimits } from './compaction/compactor.ts';
import type { DirectoryContext } from './directory-context.ts';
import type { DirectoryOptions } from './directory-options.ts';
import {
  asStartError,
  type DirectoryStart,
  failedMarkerPath,
  lockDirectory,
  startDirectory,
} from './directory-start.ts';
import { GuardedFileSystem } from './guarded-file-system.ts';
import { HandlePool } from './handle-pool.ts';
import { IndexCache } from './index-cache.ts';
import { defaultLogConfig, type LogConfig } from './log-config.ts';
import { LogState, type PartitionIdentity } from './log-state.ts';
import { writeNodeIdentity } from './node-identity.ts';
import {
  emptyDirectory,
  makePartitionDirectory,
  partitionDirectory,
  setPartitionDirectoryAside,
} from './partition-directories.ts';
import { PartitionLog } from './partition-log.ts';
import type { LogPorts } from './ports.ts';
import { type OnProgress, recoverAll } from './recovery/recover-all.ts';
import { recoverPartition } from './recovery/recover-partition.ts';
import { forEachParallel, Slots } from './slots.ts';
import { type DiskState, SpaceWatch } from './space-watch.ts';
import { SyncRounds } from './sync-rounds.ts';
import { PartitionTail, TailCache } from './tail-cache.ts';

const partitionsAtOnce = 16;
const retentionEveryMs = 300_000;
const maxOpenFiles = 1_000;
const coldReads = 8;

/**
 * One data directory with all its partitions: `open`, `recover`, then `create`, `remove`, and the logs themselves.
 * Its first EIO is final: from then on nothing is acknowledged from it, and `failure` says why.
 */
export class LogDirectory {
  readonly #ports: LogPorts;
  readonly #options: DirectoryOptions;
  readonly #lock: DirectoryLock;
  readonly #start: DirectoryStart;
  readonly #context: DirectoryContext;
  readonly #space: SpaceWatch;
  readonly #compactor: Compactor;
  readonly #partitions = new Map<PartitionKey, PartitionLog>();
  /** Removed, though the checkpoint on the disk may still speak of them. */
  readonly #unforgotten = new Set<PartitionKey>();
  #clusterId: string | undefined;
  #assignedUpTo: Revision;
  #cancelRetention: CancelTimer = () => {};
  #retaining: Promise<void> = Promise.resolve();
  #closing = false;
  #recovered = false;

  /**
   * Takes the directory's lock and looks whose it is. Throws a StartError that says what to do when it is in use, belongs
   * to another cluster or node, was written by a newer version, or can't be read.
   */
  static async open(ports: LogPorts, options: DirectoryOptions): Promise<LogDirectory> {
    let lock: DirectoryLock | undefined;
    try {
      lock = await lockDirectory(ports.fs, options.path);
      let space: SpaceWatch | undefined;
      const fs = new GuardedFileSystem(ports.fs, () => space?.noteFull());
      const start = await startDirectory(fs, options);
      space = new SpaceWatch(fs, options.path, ports.timers, ports.logger, options.minFreeBytes);
      await space.look();
      return new LogDirectory(ports, options, fs, lock, start, space);
    } catch (error) {
      await lock?.release();
      throw asStartError(options.path, error);
    }
  }

  private constructor(
    ports: LogPorts,
    options: DirectoryOptions,
    fs: GuardedFileSystem,
    lock: DirectoryLock,
    start: DirectoryStart,
    space: SpaceWatch,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#lock = lock;
    this.#start = start;
    this.#space = space;
    this.#clusterId = start.identity?.clusterId;
    this.#assignedUpTo = start.checkpoint?.assignedUpTo ?? revision(0n);
    const openFiles = Math.max(1, Math.floor((options.maxOpenFiles ?? maxOpenFiles) / 2));
    this.#context = {
      fs,
      clock: ports.clock,
      timers: ports.timers,
      logger: ports.logger,
      appenders: new HandlePool(openFiles, (path) => fs.openAppend(path)),
      readers: new HandlePool(openFiles, (path) => fs.openRead(path)),
      indexes: new IndexCache(),
      tail: new TailCache(options.tailCacheBytes),
      rounds: new SyncRounds(),
      epochRounds: new SyncRounds(),
      checkpoint: new CheckpointFile(
        fs,
        `${options.path}/checkpoint`,
        ports.timers,
        start.checkpoint?.writeNumber ?? 0n,
        () => this.#checkpoint(),
      ),
      coldReads: new Slots(options.coldReads ?? coldReads),
    };
    this.#compactor = new Compactor(this.#context, ports.meter, options.compaction ?? defaultCompactionLimits);
    fs.onFailure((error) => void this.#noteFailure(error));
  }

  /** The cluster that the directory belongs to; undefined: none yet. */
  get clusterId(): string | undefined {
    return this.#clusterId;
  }

  /** Every partition assigned up to this revision of the store has its directory: one that has none has lost it. */
  get assignedUpTo(): Revision {
    return this.#assignedUpTo;
  }

  get partitions(): ReadonlyMap<PartitionKey, PartitionLog> {
    return this.#partitions;
  }

  /** The first failure of the disk: final. */
  get failure(): FileError | undefined {
    return this.#context.fs.failure;
  }

  /** Called once, when the directory fails; at once if it has. */
  onFailure(callback: (error: FileError) => void): void {
    this.#context.fs.onFailure(callback);
  }

  get diskState(): DiskState {
    return this.#space.state;
  }

  /** Throws DISK_FULL when clients' appends are to be refused: what is left is for retention and replication. */
  requireSpace(): void {
    this.#space.require();
  }

  /** Binds a new directory to a cluster, durably. */
  async adoptCluster(clusterId: string): Promise<void> {
    assert(this.#clusterId === undefined || this.#clusterId === clusterId, 'a directory never changes its cluster');
    if (this.#clusterId !== undefined) return;
    await writeNodeIdentity(this.#context.fs, this.#options.path, { clusterId, nodeId: this.#options.nodeId });
    this.#clusterId = clusterId;
  }

  /** Brings every partition found on disk into a state from which it can be served. */
  async recover(onProgress: OnProgress = () => {}): Promise<void> {
    assert(!this.#recovered, 'a directory is recovered once');
    try {
      // First of all: what follows writes, and the disk may be full.
      for (const leftover of this.#start.found.leftovers) await emptyDirectory(this.#context.fs, leftover);
      await recoverAll(this.#context, this.#options.path, this.#start, onProgress, ({ state, found }) => {
        this.#partitions.set(state.key, new PartitionLog(this.#context, state, found, defaultLogConfig));
      });
      this.#recovered = true;
      await this.#context.checkpoint.writeNow();
      for (const leftover of this.#start.found.leftovers) await this.#context.fs.removeDirectory(leftover);
      await this.#context.fs.removeFile(failedMarkerPath(this.#options.path));
    } catch (error) {
      throw asStartError(this.#options.path, error);
    }
    this.#cancelRetention = repeat(this.#ports.timers, this.#options.retentionEveryMs ?? retentionEveryMs, () => {
      this.#retaining = this.#retaining.then(() => this.#retainAll());
      this.#compactor.look(this.#partitions.values(), () => this.#now());
    });
  }

  /** Notes, durably, that every partition assigned up to `revision` has its directory. */
  async noteAssigned(assignedUpTo: Revision): Promise<void> {
    if (assignedUpTo === this.#assignedUpTo) return;
    this.#assignedUpTo = assignedUpTo;
    try {
      await this.#context.checkpoint.writeNow();
    } catch (error) {
      // Written later, then.
      this.#context.checkpoint.markDirty();
      throw error;
    }
  }

  /** Makes an empty log, durably. */
  async create(identity: PartitionIdentity, config: LogConfig): Promise<PartitionLog> {
    const key = partitionKey(identity.topicId, identity.partition);
    assert(this.#recovered, 'partitions are created after the recovery');
    assert(!this.#partitions.has(key), `${key} is there already`);
    // Else recovery would miss in the new log what the older one had.
    if (this.#unforgotten.has(key)) await this.#forget(key);
    await makePartitionDirectory(this.#context.fs, this.#options.path, key, identity);
    const directory = partitionDirectory(this.#options.path, key);
    const state = new LogState(key, identity, directory, new PartitionTail(this.#context.tail));
    const found = await recoverPartition(this.#context, state, {
      record: undefined,
      clean: true,
      doubt: undefined,
      problem: undefined,
      pause: async () => {},
    });
    const log = new PartitionLog(this.#context, state, found, config);
    this.#partitions.set(key, log);
    this.#context.checkpoint.markDirty();
    return log;
  }

  /** Removes a log: its name first, durably, then its files, then the checkpoint's record of it, for which there is space now. */
  async remove(key: PartitionKey): Promise<void> {
    const log = this.#partitions.get(key);
    if (log === undefined) return;
    await log.discard();
    const aside = await setPartitionDirectoryAside(this.#context.fs, this.#ports.random, this.#options.path, key);
    this.#partitions.delete(key);
    this.#unforgotten.add(key);
    await emptyDirectory(this.#context.fs, aside);
    await this.#forget(key);
    await this.#context.fs.removeDirectory(aside);
  }

  /** Stores, durably, the highest leader epoch that a replica has heard of; one write for all that wait. */
  async storeEpoch(key: PartitionKey, epoch: LeaderEpoch): Promise<void> {
    const log = this.#partitions.get(key);
    assert(log !== undefined, `${key} has a log`);
    log.noteStoredEpoch(epoch);
    await this.#context.checkpoint.writeNow();
  }

  /** Syncs everything, keeps what makes the next start quick, and frees the directory. */
  async close(): Promise<void> {
    this.#cancelRetention();
    this.#closing = true;
    await Promise.all([this.#retaining, this.#compactor.stop()]);
    this.#space.stop();
    const { fs, checkpoint, appenders, readers } = this.#context;
    checkpoint.stop();
    try {
      await forEachParallel(this.#partitions.values(), partitionsAtOnce, (log) => log.close());
      if (this.#recovered) await checkpoint.writeNow();
      await Promise.all([appenders.closeAll(), readers.closeAll()]);
      if (this.#recovered) await writeCleanMarker(fs, this.#options.path, checkpoint.writeNumber);
    } catch (error) {
      this.#ports.logger.error('the data directory was not closed in order', { error: String(error) });
    } finally {
      await this.#lock.release();
    }
  }

  async #forget(key: PartitionKey): Promise<void> {
    await this.#context.checkpoint.writeNow();
    this.#unforgotten.delete(key);
  }

  /** Never rejects: what fails for one partition is logged. */
  async #retainAll(): Promise<void> {
    // A clock that runs ahead removes nothing early.
    const nowMs = this.#now().earliestMs;
    for (const log of this.#partitions.values()) {
      if (this.#closing) return;
      try {
        await log.applyRetention(nowMs);
      } catch (error) {
        this.#ports.logger.error('retention failed', { partition: log.key, error: String(error) });
      }
    }
  }

  /** Our own clock and the coordinator's. */
  #now(): TimeRange {
    const ownMs = this.#ports.clock.wallMs();
    const coordinatorMs = this.#options.coordinatorMs?.() ?? ownMs;
    return { earliestMs: Math.min(ownMs, coordinatorMs), latestMs: Math.max(ownMs, coordinatorMs) };
  }

  async #noteFailure(error: FileError): Promise<void> {
    this.#ports.logger.error('the data directory has failed', { directory: this.#options.path, error: error.message });
    try {
      // Past the guard, which refuses every change from now on: the next start shall not trust the page cache.
      const marker = await this.#ports.fs.openAppend(failedMarkerPath(this.#options.path));
      await marker.sync();
      await marker.close();
      await this.#ports.fs.syncDirectory(this.#options.path);
    } catch {
      // Then the disk is gone altogether, and what the next start finds will say so.
    }
  }

  #checkpoint() {
    // What is not recovered yet keeps the record that it has.
    const partitions = new Map(this.#recovered ? [] : this.#start.checkpoint?.partitions);
    for (const [key, log] of this.#partitions) partitions.set(key, log.checkpointRecord());
    return { assignedUpTo: this.#assignedUpTo, bootId: this.#options.bootId, partitions };
  }
}
