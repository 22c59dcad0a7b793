import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults } from '@moldau/kernel';
import type { TrimPartitionRequest, TrimPartitionResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import type { Partitions } from './partitions.ts';
import { offsetFrom } from './wire.ts';

/** Serves `LogService.TrimPartition`. Trimming below the log start changes nothing. */
export async function trimPartition(
  request: TrimPartitionRequest,
  partitions: Partitions,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof TrimPartitionResponseSchema>> {
  const { beforeOffset, validateOnly } = request;
  const partition = partitions.find(request, request.partition);
  partition.requireWriter('user', 'trim');
  partition.requireLeader();
  const { log } = partition;
  const before = offsetFrom('before_offset', beforeOffset);
  if (beforeOffset > log.highWatermark) throw faults.offsetOutOfRange(beforeOffset, log.logStart, log.highWatermark);
  if (!validateOnly && beforeOffset > log.logStart) await log.trim(before);
  // Else a new leader would bring back what was said to be gone.
  if (!validateOnly) await partition.leading?.trimmedTo(before, signal);
  partition.requireLeader();
  return { logStart: log.logStart };
}
