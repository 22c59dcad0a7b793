import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { type Millis, MoldauError } from '@moldau/kernel';
import type { CallContext } from '@moldau/rpc';
import { Bootstrap, type RoutingPorts } from './bootstrap.ts';

/** For a call that has no deadline of its own. */
const defaultTimeoutMs = 10_000;

/**
 * Passes calls of clients on to the coordinator that is active: the one that answered last, else the next. Every call
 * that goes through here must be one that may be made twice.
 */
export class Forwarding {
  readonly #coordinators: Bootstrap;

  constructor(coordinators: readonly string[], ports: RoutingPorts) {
    this.#coordinators = new Bootstrap(coordinators, ports);
  }

  /** Within what is left of the caller's time. Throws NOT_SERVING for a call that was passed on already. */
  async pass<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { forwarded, signal, timeLeftMs }: CallContext,
  ): Promise<MessageShape<O>> {
    if (forwarded) throw wentRound(method.name);
    return this.#ask(method, request, timeLeftMs() ?? defaultTimeoutMs, signal);
  }

  /** On behalf of this process itself. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: Millis,
  ): Promise<MessageShape<O>> {
    return this.#ask(method, request, timeoutMs, undefined);
  }

  #ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: Millis,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    return this.#coordinators.call(
      timeoutMs,
      (channel, leftMs) => channel.unary(method, request, { timeoutMs: leftMs, signal, forwarded: true }),
      (error) => isAboutTheCoordinator(error) && !signal?.aborted,
    );
  }
}

/** What another coordinator, or the same one a moment later, may do better. The rest is an answer. */
const isAboutTheCoordinator = ({ retriable, outcome }: MoldauError): boolean =>
  retriable && outcome !== 'NOT_APPLICABLE';

const wentRound = (method: string): MoldauError =>
  new MoldauError('NOT_SERVING', `this process does not decide, and ${method} was passed on already: ask elsewhere`, {
    state: 'forwarding',
  });
