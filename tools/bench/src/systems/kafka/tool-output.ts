/** How many records in how long. */
export interface Told {
  readonly records: number;
  readonly seconds: number;
}

const msPerSecond = 1_000;

/** Of what ProducerPerformance prints: its last line, which alone has percentiles, counts what was acknowledged. */
export function producedOf(printed: string): Told {
  const found = /^(\d+) records sent, ([\d.]+) records\/sec .* 99\.9th\.$/m.exec(printed);
  if (found === null) throw new Error(`Kafka's producer has not come to its end:\n${printed}`);
  const records = Number(found[1]);
  return { records, seconds: records / Number(found[2]) };
}

/**
 * Of what ConsumerPerformance prints: a heading, and the figures below it. Its time for fetching is without that which it
 * took to join its group, and so kinder to Kafka.
 */
export function consumedOf(printed: string): Told {
  const lines = printed.split('\n');
  const heading = lines.findIndex((line) => line.startsWith('start.time, '));
  const names = (lines[heading] ?? '').split(', ');
  const figures = (lines[heading + 1] ?? '').split(', ');
  const figure = (name: string): number => Number(figures[names.indexOf(name)] ?? Number.NaN);
  const records = figure('data.consumed.in.nMsg');
  const seconds = figure('fetch.time.ms') / msPerSecond;
  if (Number.isNaN(records + seconds)) throw new Error(`Kafka's consumer has not come to its end:\n${printed}`);
  return { records, seconds };
}
