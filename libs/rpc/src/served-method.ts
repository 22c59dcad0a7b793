import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { assert, type Meter, MoldauError } from '@moldau/kernel';
import type { Limits } from './limits.ts';
import { decode, encode, methodPath } from './method-codec.ts';
import type { Encoded } from './pieces.ts';
import { type MethodPolicy, policyOf } from './policy.ts';
import { MethodMetrics } from './server-metrics.ts';
import type { CallContext, ServedService, Session } from './transport.ts';

type Message = MessageShape<DescMessage>;
type Init = MessageInitShape<DescMessage>;

/** A handler, with the kind of its method. The types of its messages are those of the descriptor. */
export type AnyHandler =
  | { readonly kind: 'unary'; readonly handle: (request: Message, context: CallContext) => Promise<Init> }
  | {
      readonly kind: 'server_streaming';
      readonly handle: (request: Message, context: CallContext) => AsyncIterable<Init>;
    }
  | {
      readonly kind: 'bidi_streaming';
      readonly handle: (session: Session<Init, Message>, context: CallContext) => Promise<void>;
    };

/** One method as it is served: handler, policy, codec, metrics. */
export class ServedMethod {
  readonly path: string;
  /** `package.Service/Method` */
  readonly name: string;
  readonly policy: MethodPolicy;
  readonly handler: AnyHandler;
  readonly metrics: MethodMetrics;
  readonly requestBytesMax: number;
  readonly #desc: DescMethod;

  constructor(desc: DescMethod, handler: AnyHandler, limits: Limits, meter: Meter) {
    this.#desc = desc;
    this.path = methodPath(desc);
    this.name = this.path.slice(1);
    this.handler = handler;
    this.policy = policyOf(desc.parent, desc.name);
    this.metrics = new MethodMetrics(meter, this.name, handler.kind === 'unary');
    this.requestBytesMax = this.policy.sizeClass === 'frame' ? limits.frameBytesMax : limits.controlBytesMax;
  }

  /** Throws INVALID_REQUEST. */
  decode(bytes: Uint8Array): Message {
    this.metrics.received(bytes.length);
    return decode(this.#desc.input, bytes, this.requestBytesMax);
  }

  encode(message: Init): Encoded {
    const bytes = encode(this.#desc.output, message);
    this.metrics.sent(bytes.length);
    return bytes;
  }
}

/** All methods of the services, by path. What has no handler answers UNIMPLEMENTED. */
export function servedMethods(
  services: readonly ServedService[],
  limits: Limits,
  meter: Meter,
): Map<string, ServedMethod> {
  const methods = new Map<string, ServedMethod>();
  for (const { service, handlers } of services) {
    for (const desc of service.methods) {
      const method = new ServedMethod(desc, handlerOf(desc, handlers[desc.localName]), limits, meter);
      assert(!methods.has(method.path), `${method.path} is served once`);
      methods.set(method.path, method);
    }
  }
  return methods;
}

function handlerOf(desc: DescMethod, found: unknown): AnyHandler {
  assert(desc.methodKind !== 'client_streaming', `${desc.name}: the contract has no client streams`);
  const kind = desc.methodKind;
  const missing = (): never => {
    throw new MoldauError('UNIMPLEMENTED', `${desc.parent.typeName}/${desc.name} is not served here`, {
      method: desc.name,
    });
  };
  const handle = found ?? (kind === 'server_streaming' ? missing : async () => missing());
  assert(typeof handle === 'function', `the handler of ${desc.name} is a function`);
  // `serve` has checked the handlers against the descriptor's own types.
  return { kind, handle } as AnyHandler;
}
