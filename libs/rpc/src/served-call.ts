import {
  type CancelTimer,
  type Clock,
  type ErrorReason,
  faults,
  type Millis,
  MoldauError,
  type Timers,
} from '@moldau/kernel';
import { toStatus } from './errors.ts';
import { okStatus, type RawServerStream } from './raw-stream.ts';
import { type SealPorts, sealError } from './seal.ts';
import type { MethodMetrics } from './server-metrics.ts';
import type { CallContext, Principal } from './transport.ts';

/** What a call needs of its server. */
export interface CallPorts extends SealPorts {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What the transport knows of a call. */
export interface Caller {
  readonly authority: string;
  readonly peer: string;
  readonly forwarded: boolean;
}

/** One call on the server: its context, its deadline, and its one end. */
export class ServedCall {
  readonly method: string;
  readonly context: CallContext;
  readonly #stream: RawServerStream;
  readonly #ports: CallPorts;
  readonly #metrics: MethodMetrics;
  readonly #startedMs: number;
  readonly #controller = new AbortController();
  #keptBytes = 0;
  #cancelDeadline: CancelTimer | undefined;
  #endsAtMs: number | undefined;
  #finished = false;

  constructor(
    method: string,
    stream: RawServerStream,
    caller: Caller,
    principal: Principal,
    metrics: MethodMetrics,
    ports: CallPorts,
  ) {
    this.method = method;
    this.#stream = stream;
    this.#ports = ports;
    this.#metrics = metrics;
    this.#startedMs = ports.clock.monotonicMs();
    this.context = {
      principal,
      authority: caller.authority,
      peer: caller.peer,
      forwarded: caller.forwarded,
      signal: this.#controller.signal,
      timeLeftMs: () => this.#timeLeftMs(),
      keeps: (bytes) => this.#keeps(bytes),
    };
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Calls back when the call has lasted for `ms`, unless it has ended. */
  deadline(ms: number, passed: (error: MoldauError) => void): void {
    if (this.#finished) return;
    this.#endsAtMs = this.#ports.clock.monotonicMs() + ms;
    this.#cancelDeadline = this.#ports.timers.after(ms, () => passed(faults.timedOut(this.method, ms)));
  }

  succeed(): void {
    if (!this.#finish('OK')) return;
    this.#stream.finish(okStatus);
  }

  /** Ends the call with the error. What is thrown because the call is over already is not worth a line. */
  fail(error: unknown): void {
    if (this.#finished) {
      const expected = error === this.context.signal.reason || error instanceof MoldauError;
      if (!expected) sealError(error, this.method, this.#ports);
      return;
    }
    const sealed = sealError(error, this.method, this.#ports);
    this.#finish(sealed.reason);
    this.#stream.finish(toStatus(sealed));
    this.#controller.abort(sealed);
  }

  /** Ends the call now, for it holds too much: also one that has ended, and whose end the peer does not take. */
  cut(error: MoldauError): void {
    this.#finish(error.reason);
    this.#controller.abort(error);
    this.#stream.abort(toStatus(error));
  }

  /** The stream is gone: the answer went out, or the caller left. */
  gone(): void {
    this.#finish('UNREACHABLE');
    this.#controller.abort(new MoldauError('UNREACHABLE', `the caller of ${this.method} left`));
  }

  #timeLeftMs(): Millis | undefined {
    return this.#endsAtMs === undefined ? undefined : Math.max(0, this.#endsAtMs - this.#ports.clock.monotonicMs());
  }

  #keeps(bytes: number): void {
    const { unsent } = this.#stream.memory;
    const more = bytes - this.#keptBytes;
    this.#keptBytes = bytes;
    if (more > 0) unsent.hold(more);
    else unsent.free(-more);
  }

  /** False if it had ended before. */
  #finish(reason: ErrorReason | 'OK'): boolean {
    if (this.#finished) return false;
    this.#finished = true;
    this.#cancelDeadline?.();
    this.#metrics.ended(reason, this.#ports.clock.monotonicMs() - this.#startedMs);
    return true;
  }
}
