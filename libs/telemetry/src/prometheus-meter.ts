import { assert, type Counter, type Gauge, type Histogram, type Meter } from '@moldau/kernel';
import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';

type Labels = Readonly<Record<string, string>>;

/** Metrics in the text format of Prometheus, from a registry of its own. */
export class PrometheusMeter implements Meter {
  readonly #registry = new Registry();

  /** `labels` stand on every line: which process this is. */
  constructor(labels: Labels = {}) {
    this.#registry.setDefaultLabels(labels);
    collectDefaultMetrics({ register: this.#registry });
  }

  counter(name: string, help: string, labels: Labels = {}): Counter {
    const metric = this.#metric(name, labels, PromCounter, (common) => new PromCounter({ ...common, help }));
    const child = metric.labels(labels);
    // It is there from the beginning: of a counter that appears with its first event, nobody sees a rise.
    child.inc(0);
    return { add: (amount = 1) => child.inc(amount) };
  }

  gauge(name: string, help: string, labels: Labels = {}): Gauge {
    const metric = this.#metric(name, labels, PromGauge, (common) => new PromGauge({ ...common, help }));
    const child = metric.labels(labels);
    return { set: (value) => child.set(value), drop: () => metric.remove(labels) };
  }

  histogram(name: string, help: string, buckets: readonly number[], labels: Labels = {}): Histogram {
    const metric = this.#metric(
      name,
      labels,
      PromHistogram,
      (common) => new PromHistogram({ ...common, help, buckets: [...buckets] }),
    );
    const child = metric.labels(labels);
    return { observe: (value) => child.observe(value) };
  }

  /** Everything, as Prometheus reads it. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The metric of that name: one for all its label values. */
  #metric<M>(
    name: string,
    labels: Labels,
    kind: abstract new (...parts: never[]) => M,
    make: (common: { name: string; labelNames: string[]; registers: Registry[] }) => M,
  ): M {
    const known: unknown = this.#registry.getSingleMetric(name);
    if (known === undefined) return make({ name, labelNames: Object.keys(labels), registers: [this.#registry] });
    assert(known instanceof kind, `the metric ${name} is of one kind`);
    return known;
  }
}
