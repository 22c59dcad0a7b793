import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { faults } from '@moldau/kernel';
import { bytesAsReceived, noteReceived } from './as-received.ts';
import { encodeBatchFrame } from './batch-frames.ts';
import type { Encoded } from './pieces.ts';

/** `/moldau.log.v1.LogService/Append` */
export const methodPath = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

export const encode = <D extends DescMessage>(schema: D, message: MessageInitShape<D>): Encoded =>
  bytesAsReceived(message) ?? encodeBatchFrame(schema, message) ?? toBinary(schema, create(schema, message));

/** Reads a message that a peer sent. Its `bytes` fields are views of `bytes`. Throws INVALID_REQUEST. */
export function decode<D extends DescMessage>(schema: D, bytes: Uint8Array, bytesMax: number): MessageShape<D> {
  if (bytes.length > bytesMax) {
    throw faults.invalidRequest(
      schema.name,
      `is ${bytes.length} bytes long, more than ${bytesMax}: send less at a time`,
    );
  }
  try {
    const message = fromBinary(schema, bytes);
    noteReceived(message, bytes);
    return message;
  } catch {
    throw faults.invalidRequest(schema.name, 'is no protobuf message of this type: check the version of the contract');
  }
}
