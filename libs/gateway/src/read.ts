import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Millis } from '@moldau/kernel';
import { LogService, ReadFormat, type ReadRequest, type ReadResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { PositionSchema } from '@moldau/proto/moldau/log/v1/record_pb';
import type { CallContext } from '@moldau/rpc';
import { isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';
import { targetOf } from './routes.ts';

/** A reader waits so long for a leader, from the last thing that came. */
const patienceMs: Millis = 30_000;

/** Serves `LogService.Read` from the leader, and goes on at the next one where the rest can be asked for exactly. */
export async function* read(
  request: ReadRequest,
  { signal }: CallContext,
  parts: GatewayParts,
): AsyncGenerator<MessageInitShape<typeof ReadResponseSchema>> {
  const { connections, view } = parts;
  const search = new LeaderSearch(parts, patienceMs, signal);
  let next: bigint | undefined;
  let records = 0;
  for (let asked: ReadRequest | undefined = request; asked !== undefined; asked = restOf(request, next, records)) {
    const { address, topicId } = await search.found(() => targetOf(view, request, request.partition));
    try {
      const exactly = { ...asked, topicId };
      const messages = connections.to(address, 'data').serverStream(LogService.method.read, exactly, { signal });
      for await (const part of messages) {
        yield part;
        search.progress();
        next = part.nextOffset;
        records += part.records.length;
      }
      return;
    } catch (error) {
      const hasRest = restOf(request, next, records) !== undefined;
      await search.again(error, (trouble) => hasRest && isAboutPlaceOrLost(trouble));
    }
  }
}

/**
 * What is still to be read from `next` on. `undefined`: it can't be asked for, because only the server that began knew
 * where the end was, or how many records a batch held.
 */
function restOf(request: ReadRequest, next: bigint | undefined, records: number): ReadRequest | undefined {
  if (next === undefined) return request;
  const { until, follow, limit, format } = request;
  const isEndKnown = until === undefined ? follow : until.at.case === 'offset';
  const isLimitKnown = limit === 0n || (format !== ReadFormat.BATCHES && BigInt(records) < limit);
  if (!isEndKnown || !isLimitKnown) return undefined;
  const from = create(PositionSchema, { at: { case: 'offset', value: next } });
  return { ...request, from, limit: limit === 0n ? 0n : limit - BigInt(records) };
}
