import { type ErrorReason, errorRules, type Outcome } from './error-reasons.ts';
import type { Millis } from './ids.ts';

/** The facts of an error, by name. `undefined`: not known. */
export type ErrorFields = Readonly<Record<string, string | number | bigint | undefined>>;

/**
 * A refusal or a failure that a user or a client can act on. The message says what happened, to what, and what to do.
 * `reason` is stable; `fields` holds the facts that the contract lists for it.
 */
export class MoldauError<R extends ErrorReason = ErrorReason> extends Error {
  readonly reason: R;
  readonly fields: ErrorFields;
  /** How long to wait before a retry. `undefined`: the client's own back-off. */
  readonly retryAfterMs: Millis | undefined;

  constructor(
    reason: R,
    message: string,
    fields: ErrorFields = {},
    options: { retryAfterMs?: Millis | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = reason;
    this.reason = reason;
    this.fields = fields;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** True when the same request can succeed later, or elsewhere. */
  get retriable(): boolean {
    return errorRules[this.reason][0];
  }

  /** What is known of the write that this error answers. */
  get outcome(): Outcome {
    return errorRules[this.reason][1];
  }
}

/** Narrows an unknown error to one reason. */
export function hasReason<R extends ErrorReason>(error: unknown, reason: R): error is MoldauError<R> {
  return error instanceof MoldauError && error.reason === reason;
}

/** Why a process can't start: a bad setting, a directory or port in use. The message says what to do. Ends the process. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
