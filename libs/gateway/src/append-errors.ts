import { create } from '@bufbuild/protobuf';
import { MoldauError } from '@moldau/kernel';
import { type AppendAck, AppendAckSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { toWireError } from '@moldau/rpc';

// What the gateway itself has to say of an entry.

export const failedAck = (sequence: bigint, error: MoldauError): AppendAck =>
  create(AppendAckSchema, { sequence, error: toWireError(error) });

export const handleClosed = (handle: number): MoldauError =>
  new MoldauError('HANDLE_CLOSED', `handle ${handle} is closed, because an entry on it failed: open a new one`, {
    handle,
  });

/** The entry has left this process. */
export const lostNode = (node: number): MoldauError =>
  new MoldauError('UNREACHABLE', `the gateway lost node ${node}: what was in flight may be written`, { node });

/** Nothing of what this answers was sent to the node. The cause names its address, which its users know and may have to mend. */
export const outOfReach = (node: number, cause: MoldauError): MoldauError =>
  new MoldauError(
    'NOT_SERVING',
    `node ${node} is out of reach of the gateway: ${cause.message}`,
    { state: 'out of reach' },
    { cause },
  );

/** The entry has not left this process. */
export const notTaken = (node: number): MoldauError =>
  new MoldauError('OVERLOADED', `node ${node} takes nothing now: this was not sent to it; retry more slowly`, {
    limit: `node ${node}`,
  });
