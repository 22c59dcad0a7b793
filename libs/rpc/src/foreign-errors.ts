import { type ErrorReason, MoldauError, whyUnconnected } from '@moldau/kernel';
import { Code } from '@moldau/proto/google/rpc/code_pb';
import type { WireStatus } from './raw-stream.ts';

/** What a caller knows of a call that ended. */
export interface Situation {
  readonly address: string;
  readonly method: string;
  /** True when the call sent a message that a server with default limits may refuse by its size alone. */
  readonly sentLarge: boolean;
}

/**
 * The error behind a status that no Moldau server wrote: the gRPC library's own, or a proxy's. Only where the request
 * was surely refused may the reason promise NOT_WRITTEN; everything doubtful has an UNKNOWN outcome.
 */
export function foreignError(status: WireStatus, { address, method, sentLarge }: Situation): MoldauError {
  const { code, message } = status;
  const error = (reason: ErrorReason, text: string): MoldauError => new MoldauError(reason, text, { address, method });
  switch (code) {
    case Code.CANCELLED:
    case Code.UNAVAILABLE:
      return new MoldauError('UNREACHABLE', unreachable(address, message), {
        address,
        method,
        ...(isRefused(message) && { refused: 1 }),
      });
    case Code.DEADLINE_EXCEEDED:
      return error('TIMED_OUT', `${method} at ${address} did not end in time: its outcome is unknown`);
    case Code.UNIMPLEMENTED:
      return error('UNIMPLEMENTED', `${method} is not served by ${address}: check the address and the version`);
    case Code.UNAUTHENTICATED:
      return error('UNAUTHENTICATED', `${address} wants credentials for ${method}: ${message}`);
    case Code.PERMISSION_DENIED:
      return error('PERMISSION_DENIED', `${address} does not allow ${method}: ${message}`);
    case Code.RESOURCE_EXHAUSTED:
      return exhausted(error, status, `${address} refused ${method}: ${message}`, sentLarge);
    case Code.INTERNAL:
      if (message.includes('RST_STREAM'))
        return error('UNREACHABLE', `${address} broke off ${method}: ${message}: retry`);
      return error('INTERNAL', `${method} failed at ${address}: ${message}`);
    default:
      return error('INTERNAL', `${method} failed at ${address} with gRPC code ${code}: ${message}`);
  }
}

/** Nobody listens at the address: the process that did is gone. */
const isRefused = (message: string): boolean => /ECONNREFUSED|nobody listens/.test(message);

const unreachable = (address: string, message: string): string =>
  whyUnconnected(address, message) ?? `${address} did not answer (${message}): retry, or check the address`;

function exhausted(
  error: (reason: ErrorReason, text: string) => MoldauError,
  status: WireStatus,
  text: string,
  sentLarge: boolean,
): MoldauError {
  const bySize = /larger than/.test(status.message);
  if (bySize && sentLarge) return error('INVALID_REQUEST', `${text}: send less at a time`);
  if (bySize) return error('INTERNAL', `${text}: the answer is larger than this client takes`);
  return error('UNREACHABLE', `${text}: retry more slowly`);
}
