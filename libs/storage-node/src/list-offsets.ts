import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults } from '@moldau/kernel';
import type { ListOffsetsRequest, ListOffsetsResponseSchema, OffsetQuery } from '@moldau/proto/moldau/log/v1/log_pb';
import { toWireError } from '@moldau/rpc';
import type { Partitions } from './partitions.ts';
import { resolvePosition } from './positions.ts';

type Response = MessageInitShape<typeof ListOffsetsResponseSchema>;
type Answer = NonNullable<Response['answers']>[number];

const maxQueries = 1_000;

/** Serves `LogService.ListOffsets`: a bad query fails alone. */
export async function listOffsets(request: ListOffsetsRequest, partitions: Partitions): Promise<Response> {
  const { queries } = request;
  if (queries.length > maxQueries)
    throw faults.invalidRequest('queries', `has ${queries.length}: at most ${maxQueries}`);
  if (request.topicId === undefined) partitions.count(request);
  return { answers: await Promise.all(queries.map((query) => answer(request, query, partitions))) };
}

async function answer(
  request: ListOffsetsRequest,
  { partition: index, position }: OffsetQuery,
  partitions: Partitions,
): Promise<Answer> {
  try {
    const partition = partitions.find(request, index);
    partition.requireLeader();
    const found = await resolvePosition(partition, position);
    return {
      partition: index,
      ...(found.offset !== undefined && { offset: found.offset }),
      ...(found.timestampMs !== undefined && { timestampMs: BigInt(found.timestampMs) }),
      leaderEpoch: partition.role.kind === 'leader' ? partition.role.epoch : 0,
      sizeBytes: BigInt(partition.log.sizeBytes),
    };
  } catch (error) {
    return { partition: index, error: toWireError(error) };
  }
}
