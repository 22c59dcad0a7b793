import type { DescService } from '@bufbuild/protobuf';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { methodPath } from '../method-codec.ts';

/**
 * What grpc-js needs to know of a service. Messages pass it as bytes: they are decoded by us, so that a bad one gets a typed
 * error instead of the library's INTERNAL.
 */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.name,
      {
        path: methodPath(method),
        requestStream: method.methodKind === 'bidi_streaming' || method.methodKind === 'client_streaming',
        responseStream: method.methodKind === 'bidi_streaming' || method.methodKind === 'server_streaming',
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    ]),
  );
}

const same = (bytes: Buffer): Buffer => bytes;
