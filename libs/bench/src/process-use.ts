import { createHistogram, monitorEventLoopDelay, PerformanceObserver, type RecordableHistogram } from 'node:perf_hooks';

/** What this process took while something ran in it. */
export interface ProcessUse {
  /** User and system time. */
  readonly cpuSeconds: number;
  /** Of the whole life of the process. */
  readonly peakMiB: number;
  /** Collecting garbage. */
  readonly gcSeconds: number;
  /** By how much the event loop came too late, 99th percentile. */
  readonly loopDelayP99Ms: number;
}

const nanosPerMs = 1e6;

/** Watches this process. */
export class ProcessWatch {
  readonly #cpu = process.cpuUsage();
  readonly #delay = monitorEventLoopDelay({ resolution: 5 });
  readonly #observer: PerformanceObserver;
  #gcMs = 0;

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#count(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#delay.enable();
  }

  /** Ends the watch. */
  stop(): ProcessUse {
    this.#delay.disable();
    this.#count(this.#observer.takeRecords());
    this.#observer.disconnect();
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      cpuSeconds: (user + system) / 1e6,
      peakMiB: process.resourceUsage().maxRSS / 1024,
      gcSeconds: this.#gcMs / 1000,
      loopDelayP99Ms: this.#delay.count === 0 ? 0 : this.#delay.percentile(99) / nanosPerMs,
    };
  }

  #count(entries: readonly { readonly duration: number }[]): void {
    for (const { duration } of entries) this.#gcMs += duration;
  }
}

/** A distribution of latencies, in ms. */
export interface Latencies {
  readonly records: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Collects latencies: an HDR histogram, exact to 0.1 %. */
export class LatencyCollector {
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 });

  add(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * nanosPerMs)));
  }

  get latencies(): Latencies {
    const histogram = this.#histogram;
    if (histogram.count === 0) return { records: 0, p50: 0, p95: 0, p99: 0, p999: 0, max: 0 };
    const at = (percent: number): number => histogram.percentile(percent) / nanosPerMs;
    return {
      records: histogram.count,
      p50: at(50),
      p95: at(95),
      p99: at(99),
      p999: at(99.9),
      max: histogram.max / nanosPerMs,
    };
  }
}
