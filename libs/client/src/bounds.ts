import { formatBytes, formatDuration } from '@moldau/config/values';
import { faults, type Millis } from '@moldau/kernel';
import { type Duration, type Size, toBytes, toMs } from './quantities.ts';

/** From the first to the second, both included. */
export type Bounds = readonly [min: number, max: number];

/** What a producer takes: bytes, and milliseconds. */
export const producerBounds = {
  batchSize: [1, 2 ** 30],
  buffer: [1, 2 ** 40],
  linger: [0, 3_600_000],
} as const satisfies Readonly<Record<string, Bounds>>;

/** The bytes of an option. Throws INVALID_REQUEST, which names it and its bounds. */
export const bytesWithin = (field: string, size: Size, bounds: Bounds): number =>
  within(field, size, toBytes(quantity(field, size)), bounds, formatBytes);

/** The milliseconds of an option. Throws as {@link bytesWithin} does. */
export const msWithin = (field: string, duration: Duration, bounds: Bounds): Millis =>
  within(field, duration, toMs(quantity(field, duration)), bounds, formatDuration);

/** Unchecked JavaScript may hand in anything. */
function quantity<T>(field: string, given: T): T {
  if (typeof given === 'number' || typeof given === 'string') return given;
  throw faults.invalidRequest(field, `is ${given}: give a number, or a number with its unit`);
}

function within(
  field: string,
  given: number | string,
  value: number,
  [min, max]: Bounds,
  format: (value: number) => string,
): number {
  if (value >= min && value <= max) return value;
  throw faults.invalidRequest(field, `${given} is out of bounds: use ${format(min)} to ${format(max)}`);
}
