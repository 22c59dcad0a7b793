import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Millis } from '@moldau/kernel';

// What services and clients know of the network. Two implementations: grpc-js over sockets, and an in-memory one that
// copies every message. Every error that comes out of either is a MoldauError.

/** Options of one call. */
export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The call's deadline from now. Default: that of the method's policy. Sessions and followed reads have none. */
  readonly timeoutMs?: Millis | undefined;
  /** The call of someone else, passed on: whoever gets it answers it, or refuses; it is not passed on again. */
  readonly forwarded?: boolean | undefined;
}

/** One connection to one address. Made without waiting; connects, and reconnects, when it is used. */
export interface Channel {
  readonly address: string;
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>;
  /** Messages of a server stream. Leaving the loop cancels the call; not reading stops the server. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): AsyncIterable<MessageShape<O>>;
  session<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options?: CallOptions,
  ): Session<MessageInitShape<I>, MessageShape<O>>;
  /** Breaks what is open with UNREACHABLE, and frees the connection. */
  close(): void;
}

/**
 * One end of a bidirectional stream. `signal` is aborted once, when the stream is over for whatever reason: both sides
 * ended, cancelled, or the connection broke. Nothing here throws after that; `send` drops.
 */
export interface Session<Out, In> {
  /** Hands one message to the transport. False: its buffer is full; send no more before `drained` resolves. */
  send(message: Out): boolean;
  /** Resolves when there is room again, or when the session is over. */
  drained(): Promise<void>;
  /**
   * What the peer sends, in order; one reader. Ends when the peer has ended; throws a MoldauError when the stream broke.
   * Not reading stops the peer by flow control. To a server, a client that cancels looks like one that has ended (HTTP/2
   * clients end before they reset): `signal` is aborted a moment later. What matters must be said in band.
   */
  readonly incoming: AsyncIterable<In>;
  /** No more will be sent. */
  end(): void;
  /** Breaks both directions. On a server the client gets `error`, by default NOT_SERVING. */
  cancel(error?: Error): void;
  readonly signal: AbortSignal;
}

/** Who calls. */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'node';
  readonly name: string;
}

/** What a handler knows of its call. */
export interface CallContext {
  readonly principal: Principal;
  /** The host:port by which the client called this server (`:authority`). */
  readonly authority: string;
  /** The peer's address, for logs. */
  readonly peer: string;
  /** Another process has passed this call on: it must not be passed on again. */
  readonly forwarded: boolean;
  /** What is left of the call's deadline. `undefined`: it has none. */
  timeLeftMs(): Millis | undefined;
  /** Aborted when the call is over or its deadline has passed. */
  readonly signal: AbortSignal;
  /** Says how many bytes the handler keeps for this call now: they count towards what the server may hold. */
  readonly keeps: (bytes: number) => void;
}

/** The function behind one method. */
export type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodBiDiStreaming<infer I, infer O>
        ? (session: Session<MessageInitShape<O>, MessageShape<I>>, context: CallContext) => Promise<void>
        : never;

/** The handlers of a service. What is left out answers UNIMPLEMENTED. A handler that throws ends its call with that error. */
export type Handlers<S extends DescService> = { readonly [K in keyof S['method']]?: Handler<S['method'][K]> };

/** One service with its handlers, ready to be served by any transport. */
export interface ServedService {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
}

export const serve = <S extends DescService>(service: S, handlers: Handlers<S>): ServedService => ({
  service,
  handlers: handlers as Readonly<Record<string, unknown>>,
});

/** What a channel is for: channels of different purposes never share a TCP connection. */
export type ChannelPurpose = 'data' | 'control' | 'replication';

/** Opens channels. */
export interface Dialer {
  dial(address: string, purpose: ChannelPurpose): Channel;
}
