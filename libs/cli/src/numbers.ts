import { usage } from './exit-code.ts';

/** A whole number from `min` on. Throws a usage error that names the flag. */
export function numberOf(flag: string, text: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw usage(`${flag} ${JSON.stringify(text)}: use a whole number ${range}`);
}

export const partitionOf = (text: string): number => numberOf('--partition', text);
export const portOf = (flag: string, text: string): number => numberOf(flag, text, 0, 65_535);

/** `NAME=VALUE`, taken apart. Throws a usage error. */
export function pairOf(what: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw usage(`${JSON.stringify(text)} is no ${what}: use NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Bytes as a person reads them: three digits and a unit. */
export function roughBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}
