import { type CancelTimer, faults, MoldauError, type Timers } from '@moldau/kernel';
import { fromStatus } from './errors.ts';
import type { CallHead, RawChannel, RawClientStream } from './raw-stream.ts';

/** What a call tells its owner: messages, then `over` once, with the error if it did not end well. */
export interface CallEvents {
  message(bytes: Uint8Array): void;
  over(error: Error | undefined): void;
}

/** A call to make. */
export interface CallPlan extends CallHead {
  readonly signal: AbortSignal | undefined;
  /** The call will send more than small requests. */
  readonly sendsLarge: boolean;
}

/** One call on the client. Whatever comes first ends it, once: its status, its deadline, its signal, or its owner. */
export class OpenCall {
  readonly stream: RawClientStream;
  readonly #plan: CallPlan;
  readonly #events: CallEvents;
  readonly #ended: (call: OpenCall) => unknown;
  #cancelDeadline: CancelTimer | undefined;
  #over = false;

  constructor(raw: RawChannel, plan: CallPlan, timers: Timers, events: CallEvents, ended: (call: OpenCall) => unknown) {
    this.#plan = plan;
    this.#events = events;
    this.#ended = ended;
    const { path, timeoutMs, signal } = plan;
    if (timeoutMs !== undefined) {
      this.#cancelDeadline = timers.after(timeoutMs, () => this.break(faults.timedOut(path.slice(1), timeoutMs)));
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.stream = raw.open(plan, {
      message: (bytes) => {
        if (!this.#over) events.message(bytes);
      },
      ended() {},
      closed: (status) => {
        const situation = { address: raw.address, method: path.slice(1), sentLarge: plan.sendsLarge };
        this.#finish(status.code === 0 ? undefined : fromStatus(status, situation));
      },
    });
  }

  /** Ends the call with this error. */
  break(error: Error): void {
    if (this.#over) return;
    this.stream.cancel();
    this.#finish(error);
  }

  /** Ends the call without a word to its owner. */
  abandon(): void {
    if (this.#over) return;
    this.stream.cancel();
    this.#forget();
  }

  /** Ends the call with the reason of its signal. */
  cancelled(): void {
    const reason: unknown = this.#plan.signal?.reason;
    this.break(reason instanceof Error ? reason : new MoldauError('UNREACHABLE', 'the caller cancelled the call'));
  }

  readonly #onAbort = (): void => this.cancelled();

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#forget();
    this.#events.over(error);
  }

  #forget(): void {
    this.#over = true;
    this.#cancelDeadline?.();
    this.#plan.signal?.removeEventListener('abort', this.#onAbort);
    this.#ended(this);
  }
}
