import type { LatencyReport } from './systems/system.ts';

/** What latencies of paced records come to, in ms. */
export function latencyReport(latencies: Float64Array): LatencyReport {
  const sorted = latencies.toSorted();
  /** The smallest latency that at least so many of all don't exceed. */
  const at = (quantile: number): number => sorted[Math.ceil(sorted.length * quantile) - 1] ?? Number.NaN;
  return { records: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
