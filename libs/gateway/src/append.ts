import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults } from '@moldau/kernel';
import { type AppendRequest, type AppendResponseSchema, LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader, headerBytes, noProducer, partitionOfKey } from '@moldau/records';
import { appendTimeout } from '@moldau/routing';
import type { CallContext } from '@moldau/rpc';
import { isAboutPlace, isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';
import { targetOf, topicOf } from './routes.ts';

type Response = MessageInitShape<typeof AppendResponseSchema>;

/** What a record takes beside its key, value and headers, roughly. */
const recordCostBytes = 64;

/** Serves `LogService.Append`: chooses the partition, and asks its leader, wherever that is within the call's time. */
export async function append(request: AppendRequest, { signal }: CallContext, parts: GatewayParts): Promise<Response> {
  const { connections, view, appendBudget } = parts;
  const partition = request.partition ?? choosePartition(request, parts);
  const bytes = bytesOf(request);
  appendBudget.requireRoom();
  appendBudget.hold(bytes);
  const search = new LeaderSearch(parts, appendTimeout(request.timeoutMs), signal);
  try {
    return await search.ask(
      () => targetOf(view, request, partition),
      ({ address, topicId }) => {
        const asked = { ...request, topicId, partition, timeoutMs: Math.ceil(search.leftMs) };
        return connections.to(address, 'data').unary(LogService.method.append, asked, { signal });
      },
      landsOnce(request) ? isAboutPlaceOrLost : isAboutPlace,
    );
  } finally {
    appendBudget.free(bytes);
  }
}

function choosePartition(request: AppendRequest, { view, random }: GatewayParts): number {
  const { records, batch } = request;
  if (batch.length > 0) throw faults.invalidRequest('partition', 'is missing: a batch needs one');
  const topic = topicOf(view, request);
  const count = topic.partitions.length;
  const key = records[0]?.key;
  if (key !== undefined) return partitionOfKey(key, count);
  const led = topic.partitions.filter(({ index }) => view.leader(topic, index) !== undefined);
  return led[Math.floor(random.next() * led.length)]?.index ?? Math.floor(random.next() * count);
}

/** Whether the same request may be sent again when nobody knows what became of it. */
function landsOnce({ batch, producerId, expectedOffset }: AppendRequest): boolean {
  // What it compares with may be what it wrote itself.
  if (expectedOffset !== undefined) return false;
  if (batch.length === 0) return producerId !== undefined;
  return batch.length >= headerBytes && new BatchHeader(batch).producerId !== noProducer;
}

function bytesOf({ records, batch }: AppendRequest): number {
  let bytes = batch.length;
  for (const { key, value, headers } of records) {
    bytes += recordCostBytes + (key?.length ?? 0) + (value?.length ?? 0);
    for (const header of headers) bytes += header.name.length + (header.value?.length ?? 0);
  }
  return bytes;
}
