import type { DescMethod, DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import { assert } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Connections } from '@moldau/routing';
import type { CallContext, Channel, ServedService } from '@moldau/rpc';

/** What a standby knows of the active coordinator. */
export interface Standby {
  /** This process decides itself. */
  readonly isActive: () => boolean;
  /** The address of the one that does, as host:port. `undefined`: not known. */
  readonly activeAddress: () => string | undefined;
}

type Request = Record<string, unknown>;
type Handle = (request: Request, context: CallContext) => unknown;

/**
 * `ClusterService` of a coordinator: `own` while it is active; otherwise each call is passed on to the one that is, once,
 * with what is left of the caller's time. A call that was passed on already is answered here, or refused.
 */
export function withStandby(
  own: ServedService,
  { isActive, activeAddress }: Standby,
  connections: Connections,
): ServedService {
  const channelFor = ({ forwarded }: CallContext): Channel | undefined => {
    const address = isActive() || forwarded ? undefined : activeAddress();
    if (address === undefined) return undefined;
    // To those who were active before, nothing is said any more.
    connections.keep(new Set([address]));
    return connections.to(address, 'control');
  };
  const handlers = Object.values(ClusterService.method).flatMap((method): [string, Handle][] => {
    const handle = own.handlers[method.localName];
    if (typeof handle !== 'function') return [];
    const answer: Handle = (request, context) => {
      const channel = channelFor(context);
      return channel === undefined ? handle(request, context) : pass(channel, method, request, context);
    };
    return [[method.localName, answer]];
  });
  return { service: ClusterService, handlers: Object.fromEntries(handlers) };
}

function pass(channel: Channel, method: DescMethod, request: Request, { signal, timeLeftMs }: CallContext): unknown {
  const options = { signal, timeoutMs: timeLeftMs(), forwarded: true };
  if (method.methodKind === 'unary') return channel.unary(method as DescMethodUnary, request, options);
  assert(method.methodKind === 'server_streaming', `${method.name} takes one request`);
  return channel.serverStream(method as DescMethodServerStreaming, request, options);
}
