/** Facts beside a message. Never a secret, never a record's key or value. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging. Messages are constant sentences; what varies stands in the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

export interface Counter {
  add(amount?: number): void;
}
export interface Gauge {
  set(value: number): void;
  /** It is not shown before it is set again. */
  drop(): void;
}
export interface Histogram {
  /** `value` in the unit of the metric's name. */
  observe(value: number): void;
}

/**
 * Metrics. Names are `moldau_<room>_<what>_<unit>`, as Prometheus wants them: those of counters end in `_total`, and what is
 * only counted has no unit. Label values come from a small closed set, and from users only where their number is bounded and gauges are dropped with what
 * they tell of. `docs/metrics.md` has all of them.
 */
export interface Meter {
  counter(name: string, help: string, labels?: Readonly<Record<string, string>>): Counter;
  gauge(name: string, help: string, labels?: Readonly<Record<string, string>>): Gauge;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: Readonly<Record<string, string>>,
  ): Histogram;
}

/** The same with `more` on each metric: tells parts of one process apart, which would overwrite each other's gauges. */
export const labelled = (meter: Meter, more: Readonly<Record<string, string>>): Meter => ({
  counter: (name, help, labels) => meter.counter(name, help, { ...labels, ...more }),
  gauge: (name, help, labels) => meter.gauge(name, help, { ...labels, ...more }),
  histogram: (name, help, buckets, labels) => meter.histogram(name, help, buckets, { ...labels, ...more }),
});

/** Drops everything: for tests, and for libraries whose user wants none. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

/** Counts nothing. */
export const silentMeter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {}, drop() {} }),
  histogram: () => ({ observe() {} }),
};
