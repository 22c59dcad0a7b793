import type { Counter, ErrorReason, Histogram, Meter, Millis } from '@moldau/kernel';

const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** What is measured of one method. Labels: the method's name and the reason of its end, both closed sets. */
export class MethodMetrics {
  readonly #meter: Meter;
  readonly #method: string;
  readonly #ended = new Map<string, Counter>();
  readonly #seconds: Histogram | undefined;
  readonly #received: Counter;
  readonly #sent: Counter;

  /** `timed`: whether the length of a call means something. That of a session does not. */
  constructor(meter: Meter, method: string, timed: boolean) {
    this.#meter = meter;
    this.#method = method;
    const help = 'How long calls took on the server';
    this.#seconds = timed ? meter.histogram('moldau_rpc_call_seconds', help, secondsBuckets, { method }) : undefined;
    this.#received = meter.counter('moldau_rpc_received_bytes_total', 'Bytes of messages that came in', { method });
    this.#sent = meter.counter('moldau_rpc_sent_bytes_total', 'Bytes of messages that went out', { method });
  }

  received(bytes: number): void {
    this.#received.add(bytes);
  }

  sent(bytes: number): void {
    this.#sent.add(bytes);
  }

  ended(reason: ErrorReason | 'OK', tookMs: Millis): void {
    let counter = this.#ended.get(reason);
    if (counter === undefined) {
      const labels = { method: this.#method, reason };
      counter = this.#meter.counter('moldau_rpc_calls_total', 'Calls that ended, by the reason of their end', labels);
      this.#ended.set(reason, counter);
    }
    counter.add();
    this.#seconds?.observe(tookMs / 1000);
  }
}
