import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  FileError,
  type LeaderEpoch,
  type Logger,
  leaderEpoch,
  type Millis,
  type NodeEpoch,
  type NodeId,
  nodeId,
  type PartitionKey,
  partitionIndex,
  partitionKey,
  revision,
  topicId,
} from '@moldau/kernel';
import type { LogConfig, LogDirectory, PartitionLog } from '@moldau/log';
import { forEachParallel } from '@moldau/log/slots';
import {
  type NodeSessionResponse,
  type PartitionAssignment,
  type PartitionReportSchema,
  ReplicaState,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { CommittedState, Hello } from '@moldau/replication';
import { Partition, type PartitionPorts } from './partition.ts';
import { partitionConfigOf } from './partition-config.ts';
import type { Partitions } from './partitions.ts';
import { fromAssignment } from './replication/wire.ts';

type Report = MessageInitShape<typeof PartitionReportSchema>;

const copyStates = {
  whole: ReplicaState.CLEAN,
  doubtful: ReplicaState.DOUBTFUL,
  lost: ReplicaState.CORRUPT,
} as const;

/** Those that are applied lead before the next ones are looked at: a large topic comes up bit by bit. */
const groupSize = 512;
/** New directories are synced side by side: the disk takes their names in one go. */
const directoriesAtOnce = 16;

const declineAfterMs: Millis = 1_000;

/** A partition that this node is to lead. */
interface Elected {
  readonly partition: Partition;
  readonly epoch: LeaderEpoch;
  readonly state: CommittedState;
}

interface Applied {
  readonly report: Report | undefined;
  readonly elected?: Elected;
}

/**
 * Makes the partitions of this node what the coordinator says that they are. Data goes only on a tombstone, never
 * because an assignment is absent; a state older than the one that is known is ignored.
 */
export class Assignments {
  readonly #me: NodeId;
  readonly #directory: LogDirectory;
  readonly #partitions: Partitions;
  readonly #logger: Logger;
  readonly #ports: PartitionPorts;
  readonly #appliedEpochs = new Map<PartitionKey, bigint>();
  readonly #onResign: (report: Report) => void;
  /** Partitions for which there was no space. */
  readonly #unmade: PartitionAssignment[] = [];

  /** `onResign`: a partition gives its leader epoch up, and this is to be reported. */
  constructor(
    me: NodeId,
    directory: LogDirectory,
    partitions: Partitions,
    ports: PartitionPorts & { readonly logger: Logger },
    onResign: (report: Report) => void,
  ) {
    this.#onResign = onResign;
    this.#ports = ports;
    this.#me = me;
    this.#directory = directory;
    this.#partitions = partitions;
    this.#logger = ports.logger;
  }

  /** Applies one message; returns a report on every partition of a snapshot, and on those that are new. */
  async apply(message: NodeSessionResponse, myEpoch: NodeEpoch): Promise<Report[]> {
    for (const tombstone of message.tombstones) await this.#remove(tombstone);
    const reports: Report[] = [];
    const assignments = [...this.#takeUnmade(message), ...message.assignments];
    for (let at = 0; at < assignments.length; at += groupSize) {
      const elected: Elected[] = [];
      await forEachParallel(assignments.slice(at, at + groupSize), directoriesAtOnce, async (assignment) => {
        const applied = await this.#applyOne(assignment, message.snapshot, myEpoch);
        if (applied.report !== undefined) reports.push(applied.report);
        if (applied.elected !== undefined) elected.push(applied.elected);
      });
      await this.#lead(elected);
    }
    await this.#directory
      .noteAssigned(revision(message.version))
      .catch((error: unknown) => this.#requireNoSpace(error));
    return reports;
  }

  /** Those for which there was no space: it is looked for again with every message, unless that says something newer of them. */
  #takeUnmade({ snapshot, assignments, tombstones }: NodeSessionResponse): PartitionAssignment[] {
    const isOld = ({ topicId: topic, partition }: PartitionAssignment): boolean =>
      snapshot ||
      tombstones.includes(topic) ||
      assignments.some((one) => one.topicId === topic && one.partition?.index === partition?.index);
    return this.#unmade.splice(0).filter((assignment) => !isOld(assignment));
  }

  /** Throws what is anything else. A disk that is full is no reason to lose the coordinator: it is written when there is space. */
  #requireNoSpace(error: unknown): void {
    if (this.#directory.failure !== undefined || !(error instanceof FileError) || error.code !== 'ENOSPC') throw error;
    this.#logger.debug('the disk is full: what was assigned is written later', { error });
  }

  async #applyOne(assignment: PartitionAssignment, snapshot: boolean, myEpoch: NodeEpoch): Promise<Applied> {
    const index = assignment.partition?.index ?? 0;
    const key = partitionKey(topicId(assignment.topicId), partitionIndex(index));
    const known = this.#appliedEpochs.get(key);
    const config = partitionConfigOf(assignment.config);
    const partition = await this.#open(key, assignment, config.log);
    const asked = known === undefined || snapshot;
    const found = partition === undefined ? missing(assignment, index) : reportOn(partition);
    const report = asked ? found : undefined;
    if (known !== undefined && known >= assignment.partitionEpoch) return { report };
    if (partition === undefined) return { report };
    partition.configure(config);
    const epoch = this.#takeRole(partition, assignment, myEpoch);
    if (epoch !== undefined) {
      return { report, elected: { partition, epoch, state: fromAssignment(assignment) } };
    }
    this.#appliedEpochs.set(key, assignment.partitionEpoch);
    return { report };
  }

  /** A leader that forgot its epoch could reuse its offsets: they go to disk first, all of them in one write. */
  async #lead(elected: readonly Elected[]): Promise<void> {
    try {
      await Promise.all(elected.map(({ partition, epoch }) => this.#directory.storeEpoch(partition.log.key, epoch)));
    } catch (error) {
      this.#requireNoSpace(error);
      return this.#decline(elected);
    }
    for (const { partition, epoch, state } of elected) {
      await partition.lead(epoch, state);
      // Applied only now: what the disk has refused is declined, and asked for again.
      this.#appliedEpochs.set(partition.log.key, state.partitionEpoch);
    }
  }

  /** On a full disk it can't lead. Not at once: should there be nobody else, it is elected again. */
  #decline(elected: readonly Elected[]): void {
    this.#ports.timers.after(declineAfterMs, () => {
      for (const { partition, epoch } of elected) {
        if (!partition.hasLed(epoch)) this.#onResign({ ...reportOn(partition), resignedEpoch: epoch });
      }
    });
  }

  async #open(key: PartitionKey, assignment: PartitionAssignment, config: LogConfig): Promise<Partition | undefined> {
    const open = this.#partitions.get(key);
    if (open !== undefined) return open;
    const later = (error: unknown): undefined => {
      this.#requireNoSpace(error);
      this.#unmade.push(assignment);
    };
    const log = this.#directory.partitions.get(key) ?? (await this.#create(key, assignment, config).catch(later));
    if (log === undefined) return undefined;
    const partition = new Partition(assignment.topic, log, copyOf(log, config.flush), this.#ports);
    partition.onResign(() => this.#onResign(reportOn(partition)));
    this.#partitions.add(partition);
    return partition;
  }

  async #create(
    key: PartitionKey,
    assignment: PartitionAssignment,
    config: LogConfig,
  ): Promise<PartitionLog | undefined> {
    if (revision(assignment.assignedVersion) <= this.#directory.assignedUpTo) {
      this.#logger.error('a partition that this node had is gone from its data directory', { partition: key });
      const hasOthers = (assignment.partition?.replicas.length ?? 0) > 1;
      return hasOthers ? await this.#createLost(assignment, config) : undefined;
    }
    return this.#createEmpty(assignment, config);
  }

  /** A copy that counts as damaged, for what it held is gone: it begins anew when its leader says so. */
  async #createLost(assignment: PartitionAssignment, config: LogConfig): Promise<PartitionLog> {
    const log = await this.#createEmpty(assignment, config);
    await log.markCorrupt();
    return log;
  }

  #createEmpty(assignment: PartitionAssignment, config: LogConfig): Promise<PartitionLog> {
    const identity = {
      topicId: topicId(assignment.topicId),
      topic: assignment.topic,
      partition: partitionIndex(assignment.partition?.index ?? 0),
    };
    return this.#directory.create(identity, config);
  }

  /** Returns the epoch that this node is to lead under, where that is new. */
  #takeRole(partition: Partition, assignment: PartitionAssignment, myEpoch: NodeEpoch): LeaderEpoch | undefined {
    const leader = assignment.partition?.leader;
    const epoch = leaderEpoch(assignment.partition?.leaderEpoch ?? 0);
    // A leadership of an earlier start of this node is over: nothing is written under its epoch again.
    const mine = leader === this.#me && assignment.leaderNodeEpoch === myEpoch;
    if (mine && partition.leading?.epoch === epoch) {
      partition.leading.adopt(fromAssignment(assignment));
      return undefined;
    }
    // An epoch that it has given up is never taken again: another one is on its way.
    if (mine && !partition.hasLed(epoch)) return epoch;
    const other = leader === undefined || leader === this.#me ? undefined : nodeId(leader);
    partition.follow({ kind: 'follower', leader: other, epoch });
    if (other !== undefined && assignment.partition?.replicas.includes(this.#me)) {
      partition.copyFrom({ leader: other, epoch, lastUncleanEpoch: leaderEpoch(assignment.lastUncleanEpoch) });
    }
    return undefined;
  }

  async #remove(topic: string): Promise<void> {
    for (const partition of this.#partitions.ofTopic(topicId(topic))) {
      partition.follow({ kind: 'removed' });
      this.#partitions.remove(partition);
      this.#appliedEpochs.delete(partition.log.key);
    }
    for (const { key, identity } of [...this.#directory.partitions.values()]) {
      if (identity.topicId === topic) await this.#directory.remove(key);
    }
  }
}

const missing = ({ topicId: topic }: PartitionAssignment, partition: number): Report => ({
  topicId: topic,
  partition,
  state: ReplicaState.CORRUPT,
});

function reportOn({ log, copy, resignedEpoch }: Partition): Report {
  const { identity, lastEpoch, durableEnd, storedEpoch, found } = log;
  const isUnclean = copy === 'doubtful' && found.state === 'unclean';
  return {
    topicId: identity.topicId,
    partition: identity.partition,
    leaderEpoch: storedEpoch,
    lastEpoch,
    durableEnd,
    state: isUnclean ? ReplicaState.UNCLEAN : copyStates[copy],
    ...(resignedEpoch !== undefined && { resignedEpoch }),
  };
}

/** A topic that syncs each append has lost nothing by a loss of power. */
function copyOf({ found }: PartitionLog, flush: 'fsync' | 'interval'): Hello['copy'] {
  if (found.state === 'corrupt') return 'lost';
  if (found.state === 'clean') return 'whole';
  return found.state === 'unclean' && flush === 'fsync' ? 'whole' : 'doubtful';
}
