import {
  type ByteBudget,
  type CancelTimer,
  type Counter,
  type ErrorReason,
  type Meter,
  repeat,
  type Timers,
} from '@moldau/kernel';

/** Which way batches go: `append` to storage nodes, `fetch` to clients. */
export type Way = 'append' | 'fetch';

const lookEveryMs = 1_000;

/** What a gateway counts of itself. What ends a call is counted by its server, as on every process. */
export class GatewayMetrics {
  readonly #meter: Meter;
  readonly #refused = new Map<ErrorReason, Counter>();
  readonly #lost: Readonly<Record<Way, Counter>>;

  constructor(meter: Meter) {
    this.#meter = meter;
    const lost = (way: Way): Counter =>
      meter.counter('moldau_gateway_lost_sessions_total', 'Sessions with storage nodes that broke', { way });
    this.#lost = { append: lost('append'), fetch: lost('fetch') };
  }

  /** An entry was answered here: no node has it. */
  refused(reason: ErrorReason): void {
    let counter = this.#refused.get(reason);
    if (counter === undefined) {
      const help = 'Entries of append sessions that were refused before a storage node had them';
      counter = this.#meter.counter('moldau_gateway_refused_entries_total', help, { reason });
      this.#refused.set(reason, counter);
    }
    counter.add();
  }

  /** A session with a node is over, and neither of the two had asked for it. */
  lost(way: Way): void {
    this.#lost[way].add();
  }

  /** Looks every second, until the returned function is called, at what changes with every batch: to tell each time costs more. */
  watch(timers: Timers, way: Way, budget: ByteBudget, sessions: () => number): CancelTimer {
    const labels = { way };
    const open = this.#meter.gauge('moldau_gateway_sessions', 'Sessions of clients that are open', labels);
    const held = this.#meter.gauge('moldau_gateway_held_bytes', 'Bytes of batches that are held, or asked for', labels);
    const limit = this.#meter.gauge('moldau_gateway_limit_bytes', 'Bytes of batches that may be held', labels);
    limit.set(budget.limitBytes);
    const look = (): void => {
      open.set(sessions());
      held.set(budget.heldBytes);
    };
    look();
    return repeat(timers, lookEveryMs, look);
  }
}
