import { faults, type Meter, MoldauError } from '@moldau/kernel';
import { type Authenticate, admit, type Credentials } from './access.ts';
import { toStatus } from './errors.ts';
import type { Limits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { deadlineOf } from './policy.ts';
import type { RawServerStream } from './raw-stream.ts';
import { sealError } from './seal.ts';
import { type Caller, type CallPorts, ServedCall } from './served-call.ts';
import { type AnyHandler, type ServedMethod, servedMethods } from './served-method.ts';
import { StreamSession } from './stream-session.ts';
import type { Principal, ServedService } from './transport.ts';

/** What a server needs, whatever its transport. */
export interface HostOptions extends CallPorts {
  readonly services: readonly ServedService[];
  readonly limits: Limits;
  readonly meter: Meter;
  /** Absent: everyone may call everything. */
  readonly authenticate?: Authenticate | undefined;
}

/** A call as it comes in. */
export interface Incoming extends Caller {
  readonly credentials: Credentials;
  /** What the client is willing to wait. */
  readonly timeoutMs: number | undefined;
}

type HandlerOf<K extends AnyHandler['kind']> = Extract<AnyHandler, { kind: K }>['handle'];

/** Serves calls that any transport brings: admits, decodes, runs the handler, maps its errors. */
export class ServiceHost {
  readonly #options: HostOptions;
  readonly #methods: Map<string, ServedMethod>;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#methods = servedMethods(options.services, options.limits, options.meter);
  }

  serves(path: string): boolean {
    return this.#methods.has(path);
  }

  /** Takes over a call. */
  accept(path: string, stream: RawServerStream, incoming: Incoming): void {
    const method = this.#methods.get(path);
    if (method === undefined) {
      refuse(stream, faults.unimplemented(path));
      return;
    }
    let principal: Principal;
    try {
      stream.memory.requireRoom();
      principal = admit(method.policy, method.name, incoming.credentials, this.#options.authenticate);
    } catch (error) {
      refuse(stream, sealError(error, method.name, this.#options));
      return;
    }
    const call = new ServedCall(method.name, stream, incoming, principal, method.metrics, this.#options);
    const { handler } = method;
    if (handler.kind === 'bidi_streaming') this.#session(method, handler.handle, stream, call, incoming.timeoutMs);
    else this.#oneRequest(method, handler, stream, call, incoming.timeoutMs);
  }

  #oneRequest(
    method: ServedMethod,
    handler: Exclude<AnyHandler, { kind: 'bidi_streaming' }>,
    stream: RawServerStream,
    call: ServedCall,
    timeoutMs: number | undefined,
  ): void {
    const { memory } = stream;
    const outbox = new Outbox(stream, this.#options.limits.sendBufferBytes, memory);
    let request: Uint8Array | undefined;
    let isBegun = false;
    memory.onCut((error) => {
      // What a unary handler has begun may be written already: OVERLOADED would say that it is not.
      if (handler.kind === 'unary' && isBegun && !call.finished) return false;
      call.cut(error);
      return true;
    });
    const run = async (): Promise<void> => {
      if (request === undefined) throw faults.invalidRequest('the request', 'is missing: send one message');
      isBegun = true;
      const message = method.decode(request);
      const deadlineMs = deadlineOf(method.policy, message, timeoutMs);
      if (deadlineMs !== undefined) call.deadline(deadlineMs, (error) => call.fail(error));
      if (handler.kind === 'server_streaming') {
        return pump(handler.handle(message, call.context), method, outbox, call, this.#options.limits.answerBytesMax);
      }
      const answer = method.encode(await handler.handle(message, call.context));
      if (!call.finished) outbox.send(answer);
    };
    stream.start({
      message: (bytes) => {
        if (request !== undefined) return call.fail(faults.invalidRequest('the request', 'is more than one message'));
        request = bytes;
        memory.received.hold(bytes.length);
        stream.read();
      },
      ended: () => {
        run().then(
          () => call.succeed(),
          (error: unknown) => call.fail(error),
        );
      },
      closed: () => {
        outbox.close();
        call.gone();
      },
    });
    stream.read();
  }

  #session(
    method: ServedMethod,
    handle: HandlerOf<'bidi_streaming'>,
    stream: RawServerStream,
    call: ServedCall,
    timeoutMs: number | undefined,
  ): void {
    const { limits } = this.#options;
    const session: StreamSession<
      Parameters<ServedMethod['encode']>[0],
      ReturnType<ServedMethod['decode']>
    > = new StreamSession(
      stream,
      {
        encode: (message) => method.encode(message),
        decode: (bytes) => method.decode(bytes),
        sendBytesMax: limits.answerBytesMax,
        end: () => call.succeed(),
        break: (error) => call.fail(error),
        memory: stream.memory,
      },
      limits,
    );
    stream.memory.onCut((error) => {
      session.lost(error);
      call.cut(error);
      return true;
    });
    const deadlineMs = deadlineOf(method.policy, undefined, timeoutMs);
    if (deadlineMs !== undefined) call.deadline(deadlineMs, (error) => session.cancel(error));
    stream.start({
      message: (bytes) => session.received(bytes),
      ended: () => session.peerEnded(),
      closed: () => {
        const left = call.finished ? undefined : new MoldauError('UNREACHABLE', `the caller of ${method.name} left`);
        call.gone();
        session.over(left);
      },
    });
    session.start();
    Promise.try(() => handle(session, call.context)).then(
      () => session.end(),
      (error: unknown) => {
        call.fail(error);
        session.over(error instanceof Error ? error : undefined);
      },
    );
  }
}

function refuse(stream: RawServerStream, error: MoldauError): void {
  stream.start({ message() {}, ended() {}, closed() {} });
  stream.finish(toStatus(error));
}

/** Sends what the handler yields, as fast as the peer takes it. */
async function pump(
  messages: ReturnType<HandlerOf<'server_streaming'>>,
  method: ServedMethod,
  outbox: Outbox,
  call: ServedCall,
  bytesMax: number,
): Promise<void> {
  for await (const message of messages) {
    if (call.finished) return;
    const bytes = method.encode(message);
    if (bytes.length > bytesMax)
      throw faults.invalidRequest('the answer', `is ${bytes.length} bytes, more than ${bytesMax}`);
    if (!outbox.send(bytes)) await outbox.drained();
    if (call.finished) return;
  }
}
