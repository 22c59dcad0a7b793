import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Millis } from '@moldau/kernel';
import {
  LogService,
  type TrimPartitionRequest,
  type TrimPartitionResponseSchema,
} from '@moldau/proto/moldau/log/v1/log_pb';
import type { CallContext } from '@moldau/rpc';
import { isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';
import { targetOf } from './routes.ts';

const patienceMs: Millis = 10_000;

/** Serves `LogService.TrimPartition` by the leader: twice is as good as once. */
export function trimPartition(
  request: TrimPartitionRequest,
  context: CallContext,
  parts: GatewayParts,
): Promise<MessageInitShape<typeof TrimPartitionResponseSchema>> {
  const search = LeaderSearch.within(parts, context, patienceMs);
  return search.ask(
    () => targetOf(parts.view, request, request.partition),
    ({ address, topicId }) =>
      parts.connections
        .to(address, 'control')
        .unary(LogService.method.trimPartition, { ...request, topicId }, { signal: context.signal }),
    isAboutPlaceOrLost,
  );
}
