import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { faults, MoldauError, type Timers } from '@moldau/kernel';
import { uncounted } from './call-memory.ts';
import { Inbox } from './inbox.ts';
import type { Limits } from './limits.ts';
import { decode, encode, methodPath } from './method-codec.ts';
import { type CallEvents, OpenCall } from './open-call.ts';
import type { Encoded } from './pieces.ts';
import { deadlineOf, policyOf } from './policy.ts';
import type { RawChannel, RawClientStream } from './raw-stream.ts';
import { StreamSession } from './stream-session.ts';
import type { CallOptions, Channel, Session } from './transport.ts';

/** A channel over any transport: messages, deadlines, signals and errors. */
export class WireChannel implements Channel {
  readonly #raw: RawChannel;
  readonly #limits: Limits;
  readonly #timers: Timers;
  readonly #open = new Set<OpenCall>();
  #closed = false;

  constructor(raw: RawChannel, limits: Limits, timers: Timers) {
    this.#raw = raw;
    this.#limits = limits;
    this.#timers = timers;
  }

  get address(): string {
    return this.#raw.address;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const bytes = this.#encode(method.input, request);
      let answer: Uint8Array | undefined;
      const call = this.#call(method, bytes.length, request, options, {
        message: (received) => {
          answer = received;
          call.stream.read();
        },
        over: (error) => {
          if (error !== undefined) return reject(error);
          try {
            resolve(this.#decode(method, answer));
          } catch (malformed) {
            reject(malformed);
          }
        },
      });
      sendOne(call.stream, bytes);
      call.stream.read();
    });
  }

  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncIterable<MessageShape<O>> {
    return { [Symbol.asyncIterator]: () => this.#openServerStream(method, request, options) };
  }

  session<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options: CallOptions = {},
  ): Session<MessageInitShape<I>, MessageShape<O>> {
    const { frameBytesMax, answerBytesMax } = this.#limits;
    const call = this.#call(method, frameBytesMax, {}, options, {
      message: (bytes) => session.received(bytes),
      over: (error) => session.over(error),
    });
    const session: StreamSession<MessageInitShape<I>, MessageShape<O>> = new StreamSession(
      call.stream,
      {
        encode: (message) => encode(method.input, message),
        decode: (bytes) => this.#decode(method, bytes),
        sendBytesMax: answerBytesMax,
        end: () => call.stream.halfClose(),
        break: () => call.abandon(),
        memory: uncounted,
      },
      this.#limits,
    );
    session.start();
    return session;
  }

  close(): void {
    this.#closed = true;
    for (const call of [...this.#open]) call.break(this.#channelClosed());
    this.#raw.close();
  }

  #openServerStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): AsyncIterator<MessageShape<O>, undefined> {
    const bytes = this.#encode(method.input, request);
    const call = this.#call(method, bytes.length, request, options, {
      message: (received) => inbox.push(received),
      over: (error) => (error === undefined ? inbox.end() : inbox.fail(error)),
    });
    const inbox: Inbox<MessageShape<O>> = new Inbox({
      read: () => call.stream.read(),
      decode: (received) => {
        try {
          return this.#decode(method, received);
        } catch (malformed) {
          call.abandon();
          throw malformed;
        }
      },
      limitBytes: this.#limits.receiveBufferBytes,
      memory: uncounted,
      left: () => call.abandon(),
    });
    sendOne(call.stream, bytes);
    inbox.start();
    return inbox[Symbol.asyncIterator]();
  }

  /** Opens a call; on a closed channel, or with an aborted signal, one that ends in a moment. */
  #call(method: DescMethod, sendBytes: number, request: object, options: CallOptions, events: CallEvents): OpenCall {
    const plan = {
      path: methodPath(method),
      timeoutMs: deadlineOf(policyOf(method.parent, method.name), request, options.timeoutMs),
      forwarded: options.forwarded ?? false,
      signal: options.signal,
      sendsLarge: sendBytes > this.#limits.controlBytesMax,
    };
    const ended = (call: OpenCall): unknown => this.#open.delete(call);
    if (this.#closed || options.signal?.aborted) {
      const stillborn = new OpenCall(deadChannel(this.address), plan, this.#timers, events, ended);
      queueMicrotask(() => (this.#closed ? stillborn.break(this.#channelClosed()) : stillborn.cancelled()));
      return stillborn;
    }
    const call = new OpenCall(this.#raw, plan, this.#timers, events, ended);
    this.#open.add(call);
    return call;
  }

  #encode<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Encoded {
    const bytes = encode(schema, message);
    const bytesMax = this.#limits.answerBytesMax;
    if (bytes.length <= bytesMax) return bytes;
    throw faults.invalidRequest(
      schema.name,
      `is ${bytes.length} bytes long, more than ${bytesMax}: send less at a time`,
    );
  }

  /** A bad answer is the server's fault, and says nothing of what it did. */
  #decode<O extends DescMessage>(method: DescMethod & { output: O }, bytes: Uint8Array | undefined): MessageShape<O> {
    const { name } = method;
    try {
      if (bytes !== undefined) return decode(method.output, bytes, this.#limits.answerBytesMax);
    } catch (cause) {
      throw new MoldauError('INTERNAL', `${this.address} answered ${name} with nonsense`, {}, { cause });
    }
    throw new MoldauError('INTERNAL', `${this.address} answered ${name} without a message`);
  }

  #channelClosed(): MoldauError {
    return new MoldauError('UNREACHABLE', `the connection to ${this.address} was closed here`, {
      address: this.address,
    });
  }
}

function sendOne(stream: RawClientStream, bytes: Encoded): void {
  stream.send(bytes, () => {});
  stream.halfClose();
}

const deadStream: RawClientStream = { send() {}, read() {}, halfClose() {}, cancel() {} };
const deadChannel = (address: string): RawChannel => ({ address, open: () => deadStream, close() {} });
