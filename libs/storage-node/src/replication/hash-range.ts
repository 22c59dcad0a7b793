import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  faults,
  hasReason,
  type Logger,
  MoldauError,
  type NodeId,
  partitionIndex,
  partitionKey,
  topicId,
} from '@moldau/kernel';
import { Slots } from '@moldau/log/slots';
import type { HashRangeRequest, HashRangeResponseSchema } from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { Partition } from '../partition.ts';
import type { Partitions } from '../partitions.ts';
import { offsetFrom } from '../wire.ts';
import { requireReached } from './reached.ts';
import type { ScrubMetrics } from './scrub-metrics.ts';

type Response = MessageInitShape<typeof HashRangeResponseSchema>;

/** What hashing for followers needs of its node. */
export interface HashRangePorts {
  readonly partitions: Partitions;
  readonly logger: Logger;
  readonly scrubMetrics: ScrubMetrics;
  readonly me: NodeId;
  clusterId(): string;
}

/** Two versions of a hash would make every copy look damaged. */
export const hashAlgorithm = 1;

const atOnce = 2;
/** Each follower asks for one range at a time: more of them than there are nodes are none of ours. */
const waitingMax = 256;
const pieceBytes = 512 * 1024;

/** Serves `ReplicationService.HashRange`, for a few followers at a time. */
export class RangeHashes {
  readonly #ports: HashRangePorts;
  readonly #slots = new Slots(atOnce);
  #waiting = 0;

  constructor(ports: HashRangePorts) {
    this.#ports = ports;
  }

  async answer(request: HashRangeRequest, signal: AbortSignal): Promise<Response> {
    const { algorithm, clusterId, nodeId, leaderId } = request;
    if (algorithm !== hashAlgorithm) {
      throw faults.invalidRequest('algorithm', `is ${algorithm}: this node knows ${hashAlgorithm}`);
    }
    requireReached(this.#ports, { clusterId, nodeId, leaderId });
    if (this.#waiting >= waitingMax) throw faults.overloaded('hashing for followers', waitingMax * pieceBytes);
    this.#waiting += 1;
    try {
      return await this.#slots.use(() => this.#hash(request, signal));
    } finally {
      this.#waiting -= 1;
    }
  }

  async #hash({ topicId: topic, partition: index, leaderEpoch, ...range }: HashRangeRequest, signal: AbortSignal) {
    signal.throwIfAborted();
    const partition = this.#ports.partitions.get(partitionKey(topicId(topic), partitionIndex(index)));
    if (partition === undefined) throw faults.notLeader(`${topic}/${index}`, undefined, undefined);
    partition.requireLeader(leaderEpoch);
    const { log } = partition;
    const [from, to] = [offsetFrom('from', range.from), offsetFrom('to', range.to)];
    if (to < from) throw faults.invalidRequest('to', `is ${to}, below from, which is ${from}`);
    if (to > log.highWatermark) throw notCommitted(partition, to);
    const hashed = await log.hashRange(from, to, signal).catch((error: unknown) => this.#refuse(partition, error));
    // It has met its end meanwhile: what it holds is nothing to be measured by.
    partition.requireLeader(leaderEpoch);
    return hashed;
  }

  /** Its own copy is damaged: the partition has heard of it by now. */
  #refuse({ log }: Partition, error: unknown): never {
    if (hasReason(error, 'CORRUPT_DATA')) {
      const { logger, scrubMetrics } = this.#ports;
      scrubMetrics.found('damaged');
      logger.error('a copy is damaged on disk', { partition: log.key, from: error.fields.from, next: error.fields.to });
    }
    throw error;
  }
}

const notCommitted = ({ name, log }: Partition, to: bigint): MoldauError =>
  new MoldauError('OFFSET_NOT_AVAILABLE', `${name} is committed up to ${log.highWatermark}, not ${to}: retry`);
