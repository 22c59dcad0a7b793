import type { EndToEndLoad, EndToEndReport, Latencies, LoadReport } from '@moldau/bench';
import type { Row } from './listing.ts';

/** A result, for a script and for a person. */
export interface Benched {
  readonly thing: Row;
  readonly table: () => string;
}

/** How much was done, and when. */
export type Pace = Pick<LoadReport, 'records' | 'startedAtMs' | 'endedAtMs'>;

const secondsOf = ({ startedAtMs, endedAtMs }: Pace): number => (endedAtMs - startedAtMs) / 1000;

/** Records a second, from the beginning to the end. */
export const reachedPerSecond = (pace: Pace): number => Math.round(pace.records / secondsOf(pace));

/** To connect, and to have the last ones acknowledged, may take so long beside the time that a rate asks for. */
const allowedSeconds = 0.25;
const allowedPart = 0.05;

/** Whether it took notably longer than the rate asked for. */
export function fellBehind(perSecond: number, pace: Pace): boolean {
  const dueSeconds = pace.records / perSecond;
  return secondsOf(pace) - dueSeconds > Math.max(allowedSeconds, dueSeconds * allowedPart);
}

/** What came of writing or reading. `perSecond`: it was to be that steady; then the processor's time is mostly that of waiting. */
export function benchedLoad(
  what: string,
  { valueBytes, perSecond: asked }: { readonly valueBytes: number; readonly perSecond?: number | undefined },
  report: LoadReport,
): Benched {
  const { records, cpuSeconds, peakMiB, gcSeconds, loopDelayP99Ms, latencies } = report;
  const seconds = secondsOf(report);
  const perSecond = reachedPerSecond(report);
  const megabytesPerSecond = Number(((records * valueBytes) / 1e6 / seconds).toPrecision(3));
  const thing: Row = {
    records,
    value_bytes: valueBytes,
    seconds: Number(seconds.toFixed(3)),
    records_per_second: perSecond,
    megabytes_per_second: megabytesPerSecond,
    ...(asked === undefined ? { cpu_seconds: Number(cpuSeconds.toFixed(3)) } : { asked_records_per_second: asked }),
    gc_seconds: Number(gcSeconds.toFixed(3)),
    loop_delay_p99_ms: Number(loopDelayP99Ms.toFixed(2)),
    peak_mib: Math.round(peakMiB),
    ...(latencies.records > 0 && { latency: row(latencies) }),
  };
  const table = (): string => {
    const rate = `${perSecond.toLocaleString('en')} records/s, ${megabytesPerSecond} MB/s`;
    const collecting = `${gcSeconds.toFixed(2)} s`;
    const spent =
      asked === undefined
        ? `${cpuSeconds.toFixed(2)} s of processor time, ${collecting} of it collecting`
        : `${collecting} of processor time collecting`;
    const lines = [
      `${what}: ${records.toLocaleString('en')} records of ${valueBytes} B in ${seconds.toFixed(2)} s: ${rate}`,
      `this client: ${spent}, ${Math.round(peakMiB)} MiB at most`,
      ...(latencies.records > 0 ? [`acknowledged  ${text(latencies)}`] : []),
    ];
    return `${lines.join('\n')}\n`;
  };
  return { thing, table };
}

const ms = (value: number): number => Number(value.toPrecision(3));

/** The percentiles that so many records can tell: of fewer, one would be no more than the slowest of them. */
function carried({
  records,
  p50,
  p95,
  p99,
  p999,
  max,
}: Latencies): (readonly [name: string, key: string, ms: number])[] {
  const all = [
    ['p50', 'p50_ms', p50, 2],
    ['p95', 'p95_ms', p95, 20],
    ['p99', 'p99_ms', p99, 100],
    ['p99.9', 'p999_ms', p999, 1_000],
    ['max', 'max_ms', max, 1],
  ] as const;
  return all.flatMap(([name, key, value, needed]) => (records >= needed ? [[name, key, ms(value)] as const] : []));
}

const row = (latencies: Latencies): Row => ({
  records: latencies.records,
  ...Object.fromEntries(carried(latencies).map(([, key, value]) => [key, value])),
});
const text = (latencies: Latencies): string =>
  [
    ...carried(latencies).map(([name, , value]) => `${name} ${value} ms`),
    `${latencies.records.toLocaleString('en')} timed`,
  ].join(', ');

/** What came of a steady rate. `isBehind`: it was not kept. */
export function benchedLatencies(
  { perSecond, valueBytes, warmUpSeconds }: EndToEndLoad,
  report: EndToEndReport,
  isBehind: boolean,
): Benched {
  const { records, acknowledged, read } = report;
  const reached = reachedPerSecond(report);
  // Of an interrupted one less than was asked for.
  const seconds = Math.max(0, (isBehind ? secondsOf(report) : records / perSecond) - warmUpSeconds);
  const thing: Row = {
    ...{ records_per_second: reached, asked_records_per_second: perSecond, value_bytes: valueBytes },
    ...{ seconds: Number(seconds.toFixed(3)), acknowledged: row(acknowledged), read: row(read) },
  };
  const asked = perSecond.toLocaleString('en');
  const rate = isBehind ? `${reached.toLocaleString('en')} records/s (of ${asked} asked)` : `${asked} records/s`;
  const what = `${rate} of ${valueBytes} B for ${Number(seconds.toFixed(1))} s`;
  const table = (): string =>
    `${what}, each timed from when it was due\nacknowledged  ${text(acknowledged)}\nread          ${text(read)}\n`;
  return { thing, table };
}
