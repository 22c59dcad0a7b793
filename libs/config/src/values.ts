// Values as people write them: durations, sizes, numbers, words. Pure; topic configuration reads them too.

/** A value that can't be read. `expected` says in which form it is wanted. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  readonly value: string;
  readonly expected: string;
  constructor(value: string, expected: string) {
    super(`${JSON.stringify(value)} is not ${expected}`);
    this.value = value;
    this.expected = expected;
  }
}

/** The word for "no limit" in durations and sizes. It reads as Infinity. */
export const unlimited = 'unlimited';

type Unit = readonly [name: string, size: number];

/** Largest first. */
const durationUnits: readonly Unit[] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];
const byteUnits: readonly Unit[] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
];

/** How a duration is written. */
export const durationForm = 'a number with its unit, as in 500ms, 30s, 10m, 12h, 7d';
/** How a size is written. */
export const bytesForm = 'a number of bytes, or a number with its unit, as in 64KiB, 16MiB, 2GiB';

/** Reads `'7d'` as milliseconds. Units: ms, s, m, h, d, w; a number without one is refused. Throws {@link ValueError}. */
export function parseDuration(text: string): number {
  return parseQuantity(text, durationUnits, `a duration: ${durationForm}, or unlimited`);
}

/** Reads `'64MiB'` as bytes. Units: B, KiB, MiB, GiB, TiB; without one it is bytes. Throws {@link ValueError}. */
export function parseBytes(text: string): number {
  const trimmed = text.trim();
  const sized = /^\d+$/.test(trimmed) ? `${trimmed}B` : text;
  return parseQuantity(sized, byteUnits, `a size: ${bytesForm}, or unlimited`);
}

/** Writes milliseconds in the largest unit that is exact: `604800000` is `'1w'`, `90000` is `'90s'`. */
export const formatDuration = (ms: number): string => formatQuantity(ms, durationUnits);

/** Writes bytes in the largest unit that is exact: `67108864` is `'64MiB'`. */
export const formatBytes = (bytes: number): string => formatQuantity(bytes, byteUnits);

function parseQuantity(text: string, units: readonly Unit[], form: string): number {
  const trimmed = text.trim();
  if (trimmed === unlimited) return Number.POSITIVE_INFINITY;
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(trimmed);
  const unit = units.find(([name]) => name.toLowerCase() === match?.[2]?.toLowerCase());
  if (match === null || unit === undefined) throw new ValueError(text, form);
  const value = Math.round(Number(match[1]) * unit[1]);
  if (!Number.isSafeInteger(value)) throw new ValueError(text, form);
  return value;
}

function formatQuantity(value: number, units: readonly Unit[]): string {
  if (value === Number.POSITIVE_INFINITY) return unlimited;
  const smallest = units.at(-1) ?? ['', 1];
  const [name, size] = units.find(([, size]) => value !== 0 && value % size === 0) ?? smallest;
  return `${value / size}${name}`;
}

/** Reads a whole number, negative ones too. Throws {@link ValueError}. */
export function parseInteger(text: string): number {
  const value = /^-?\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new ValueError(text, 'a whole number');
  return value;
}

/** Reads `true` or `false`. Throws {@link ValueError}. */
export function parseBoolean(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word !== 'true' && word !== 'false') throw new ValueError(text, 'true or false');
  return word === 'true';
}

/** Reads one word of `choices`. Throws {@link ValueError} that lists them. */
export function parseOneOf<T extends string>(choices: readonly T[], text: string): T {
  const found = choices.find((choice) => choice === text.trim());
  if (found === undefined) throw new ValueError(text, `one of ${choices.join(', ')}`);
  return found;
}

/** Refuses a number outside `min`…`max`, naming the bounds as `format` writes them. Throws {@link ValueError}. */
export function within(value: number, min: number, max: number, format: (value: number) => string): number {
  if (value < min || value > max) throw new ValueError(format(value), `between ${format(min)} and ${format(max)}`);
  return value;
}
