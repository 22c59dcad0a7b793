import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { hasReason, type Millis, MoldauError } from '@moldau/kernel';
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
  readonly #isOnlyOne: boolean;
  readonly #self: string;

  /** `self`: what this process is, for those who call it. */
  constructor(coordinators: readonly string[], self: string, ports: RoutingPorts) {
    this.#coordinators = new Bootstrap(coordinators, ports);
    this.#isOnlyOne = coordinators.length === 1;
    this.#self = self;
  }

  /** Within what is left of the caller's time. Throws NOT_SERVING for a call that was passed on already. */
  async pass<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { forwarded, signal, timeLeftMs, authority }: CallContext,
  ): Promise<MessageShape<O>> {
    if (forwarded) throw wentRound(method.name);
    try {
      return await this.#ask(method, request, timeLeftMs() ?? defaultTimeoutMs, signal);
    } catch (error) {
      throw hasReason(error, 'UNREACHABLE') ? this.#seenFrom(authority, error) : error;
    }
  }

  /** On behalf of this process itself. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: Millis,
  ): Promise<MessageShape<O>> {
    return this.#ask(method, request, timeoutMs, undefined);
  }

  /** The caller knows this process, and no address of a coordinator. */
  #seenFrom(authority: string, { reason, fields, retryAfterMs, message }: MoldauError): MoldauError {
    const { address, refused } = fields;
    const why = refused === undefined ? message : `${address} refuses connections`;
    const which = this.#isOnlyOne ? '' : 'the last one asked: ';
    return new MoldauError(
      reason,
      `${this.#self} at ${authority} answers, but no coordinator does (${which}${why}): topics can't be changed or listed; writing and reading go on`,
      fields,
      { retryAfterMs },
    );
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
