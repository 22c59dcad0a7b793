import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { WireStatus } from '../raw-stream.ts';

const detailsKey = 'grpc-status-details-bin';

export function toGrpcStatus({ code, message, details }: WireStatus): StatusObject {
  const metadata = new Metadata();
  if (details !== undefined) metadata.set(detailsKey, asBuffer(details));
  return { code, details: message, metadata };
}

export function fromGrpcStatus({ code, details: message, metadata }: StatusObject): WireStatus {
  const [details] = metadata.get(detailsKey);
  return { code, message, details: typeof details === 'string' ? undefined : details };
}

/** The same bytes as the Buffer that grpc-js wants. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
