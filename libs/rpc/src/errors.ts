import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, type DurationSchema } from '@bufbuild/protobuf/wkt';
import { type ErrorFields, type ErrorReason, MoldauError } from '@moldau/kernel';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '@moldau/proto/google/rpc/error_details_pb';
import { type Status, StatusSchema } from '@moldau/proto/google/rpc/status_pb';
import type { ErrorSchema, Error as WireError } from '@moldau/proto/moldau/errors/v1/errors_pb';
import { foreignError, type Situation } from './foreign-errors.ts';
import type { WireStatus } from './raw-stream.ts';
import { reasonNumber, reasonOfName, reasonOfNumber, ruleOf } from './reason-rules.ts';

// The one place where errors meet the wire: as a gRPC status with details, and in band inside sessions.

const domain = 'moldau';

/** Messages and facts travel in headers, whose size peers limit. */
const textMax = 512;
const fieldsMax = 16;

/** An error as a session carries it. What is no MoldauError says only that there was a bug: seal it first to log the cause. */
export function toWireError(error: unknown): MessageInitShape<typeof ErrorSchema> {
  const told = outwards(error);
  return {
    reason: reasonNumber(told.reason),
    message: clipped(told.message),
    fields: wireFields(told.fields),
    ...(told.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(told.retryAfterMs) }),
  };
}

/** The error that a peer sent inside a session. Its fields are text, as they travelled. */
export function fromWireError(wire: WireError): MoldauError {
  const reason = reasonOfNumber(wire.reason);
  if (reason === undefined)
    return new MoldauError('INTERNAL', `unknown reason ${wire.reason}: ${wire.message}`, wire.fields);
  return new MoldauError(reason, wire.message, wire.fields, { retryAfterMs: wire.retryAfterMs });
}

/** An error as a gRPC status with its details. */
export function toStatus(error: unknown): WireStatus {
  const told = outwards(error);
  const code = ruleOf(told.reason).code;
  const message = clipped(told.message);
  const metadata = wireFields(told.fields);
  const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain, reason: told.reason, metadata }))];
  if (told.retryAfterMs !== undefined) {
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: duration(told.retryAfterMs) })));
  }
  if (metadata.field !== undefined) {
    const fieldViolations = [{ field: metadata.field, description: metadata.problem ?? message }];
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  return { code, message, details: toBinary(StatusSchema, create(StatusSchema, { code, message, details })) };
}

/** The error behind a status that is not OK. `situation` says what the caller knows of the call. */
export function fromStatus(status: WireStatus, situation: Situation): MoldauError {
  const parsed = parseDetails(status.details);
  const info = parsed === undefined ? undefined : find(parsed, ErrorInfoSchema);
  const reason = info?.domain === domain ? reasonOfName(info.reason) : undefined;
  if (parsed === undefined || info === undefined || reason === undefined) return foreignError(status, situation);
  const delay = find(parsed, RetryInfoSchema)?.retryDelay;
  const retryAfterMs = delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  return new MoldauError(reason, parsed.message, info.metadata, { retryAfterMs });
}

function outwards(error: unknown): MoldauError<ErrorReason> {
  return error instanceof MoldauError ? error : new MoldauError('INTERNAL', 'a bug in the server: see its log');
}

function wireFields(fields: ErrorFields): Record<string, string> {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.slice(0, fieldsMax).map(([name, value]) => [name, clipped(String(value))]));
}

/** Headers take no half surrogates, and only so much. */
const clipped = (text: string): string => text.slice(0, textMax).toWellFormed();

function duration(ms: number): MessageInitShape<typeof DurationSchema> {
  const whole = Math.ceil(ms);
  return { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1e6 };
}

function parseDetails(bytes: Uint8Array | undefined): Status | undefined {
  if (bytes === undefined) return undefined;
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    return undefined;
  }
}

type Detail = typeof ErrorInfoSchema | typeof RetryInfoSchema;

function find<D extends Detail>(status: Status, schema: D) {
  for (const detail of status.details) {
    const found = anyUnpack(detail, schema);
    if (found !== undefined) return found;
  }
  return undefined;
}
