import type { EndToEndLoad, EndToEndReport, Latencies, LoadReport } from '@moldau/bench';
import type { Row } from './listing.ts';

/** A result, for a script and for a person. */
export interface Benched {
  readonly thing: Row;
  readonly table: () => string;
}

/** What came of writing or reading. */
export function benchedLoad(what: string, valueBytes: number, report: LoadReport): Benched {
  const { records, startedAtMs, endedAtMs, cpuSeconds, peakMiB, gcSeconds, loopDelayP99Ms, latencies } = report;
  const seconds = (endedAtMs - startedAtMs) / 1000;
  const perSecond = Math.round(records / seconds);
  const megabytesPerSecond = Number(((records * valueBytes) / 1e6 / seconds).toPrecision(3));
  const thing: Row = {
    records,
    value_bytes: valueBytes,
    seconds: Number(seconds.toFixed(3)),
    records_per_second: perSecond,
    megabytes_per_second: megabytesPerSecond,
    cpu_seconds: Number(cpuSeconds.toFixed(3)),
    gc_seconds: Number(gcSeconds.toFixed(3)),
    loop_delay_p99_ms: Number(loopDelayP99Ms.toFixed(2)),
    peak_mib: Math.round(peakMiB),
    ...(latencies.records > 0 && { latency: row(latencies) }),
  };
  const table = (): string => {
    const rate = `${perSecond.toLocaleString('en')} records/s, ${megabytesPerSecond} MB/s`;
    const lines = [
      `${what}: ${records.toLocaleString('en')} records of ${valueBytes} B in ${seconds.toFixed(2)} s: ${rate}`,
      `this client: ${cpuSeconds.toFixed(2)} s of processor time, ${gcSeconds.toFixed(2)} s of it collecting, ${Math.round(peakMiB)} MiB at most`,
      ...(latencies.records > 0 ? [`acknowledged  ${text(latencies)}`] : []),
    ];
    return `${lines.join('\n')}\n`;
  };
  return { thing, table };
}

const ms = (value: number): number => Number(value.toPrecision(3));
const row = ({ records, p50, p95, p99, p999, max }: Latencies): Row => ({
  ...{ records, p50_ms: ms(p50), p95_ms: ms(p95), p99_ms: ms(p99), p999_ms: ms(p999), max_ms: ms(max) },
});
const text = ({ p50, p95, p99, p999, max }: Latencies): string =>
  `p50 ${ms(p50)} ms, p95 ${ms(p95)} ms, p99 ${ms(p99)} ms, p99.9 ${ms(p999)} ms, max ${ms(max)} ms`;

/** What came of a steady rate. */
export function benchedLatencies(
  { perSecond, valueBytes, seconds }: EndToEndLoad,
  { acknowledged, read }: EndToEndReport,
): Benched {
  const thing: Row = {
    ...{ records_per_second: perSecond, value_bytes: valueBytes, seconds },
    ...{ acknowledged: row(acknowledged), read: row(read) },
  };
  const rate = `${perSecond.toLocaleString('en')} records/s of ${valueBytes} B for ${seconds} s`;
  const table = (): string =>
    `${rate}, each timed from when it was due\nacknowledged  ${text(acknowledged)}\nread          ${text(read)}\n`;
  return { thing, table };
}
