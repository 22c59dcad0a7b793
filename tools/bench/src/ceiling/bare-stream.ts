import type { ServiceDefinition } from '@grpc/grpc-js';

/** What a call on the bare stream does, said in its metadata. */
export type BareMode =
  /** The client sends frames, each is acknowledged. */
  | 'upload'
  /** The server sends frames that lie in its memory. */
  | 'download'
  /** The server sends a file, in frames. */
  | 'file'
  /** Each frame is appended to a file and synced, then sent back. */
  | 'echo';

/** The bytes of an acknowledgement: about what ours have. */
export const ackBytes = 32;
/** As ours has it. */
export const windowBytes = 4 * 1024 * 1024;

const asIs = (bytes: Buffer): Buffer => bytes;

/** One method, of bytes as they are. */
export const bareService = {
  move: {
    path: '/bare.Stream/Move',
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} satisfies ServiceDefinition;
