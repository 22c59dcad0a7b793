import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, type Millis } from '@moldau/kernel';
import { type Node, NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  type InitProducerRequest,
  type InitProducerResponseSchema,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import type { ClusterView } from '@moldau/routing';
import type { CallContext } from '@moldau/rpc';
import { isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';

const patienceMs: Millis = 10_000;

/** Serves `LogService.InitProducer` by any node that serves: asked twice, it costs an id. */
export function initProducer(
  request: InitProducerRequest,
  context: CallContext,
  parts: GatewayParts,
): Promise<MessageInitShape<typeof InitProducerResponseSchema>> {
  const { view, connections, random } = parts;
  const search = LeaderSearch.within(parts, context, patienceMs);
  return search.ask(
    () => anyNode(view, random.next()),
    ({ address }) =>
      connections.to(address, 'control').unary(LogService.method.initProducer, request, { signal: context.signal }),
    isAboutPlaceOrLost,
  );
}

/** Throws NOT_SERVING when no node serves now. */
function anyNode(view: ClusterView, chance: number): Node {
  const serving = view
    .nodes()
    .filter(({ state, role }) => state === NodeState.ACTIVE && role !== NodeRole.GROUP_COORDINATOR);
  const chosen = serving[Math.floor(chance * serving.length)];
  if (chosen === undefined) throw faults.notServing('every storage node', 'away');
  return chosen;
}
