import type { Place } from '@moldau/client';
import { parseDuration } from '@moldau/config';
import { usage } from './exit-code.ts';

/** Where to read from, and where to stop. */
export interface PlaceRange {
  readonly from: Place;
  readonly until: Place | undefined;
}

/** Reads `start`, `end`, `N`, `-N`, `@TIME`, `@-1h`, or two of them as `A:B`. Throws a usage error. */
export function parsePlaceRange(text: string, nowMs: number): PlaceRange {
  const [from = '', until] = splitRange(text);
  const placeIn = (part: string): Place =>
    placeOf(part, nowMs, 'start, end, N, -N, @TIME, @-1h, or a range such as @-1h:end');
  return {
    from: placeIn(from === '' ? 'start' : from),
    until: until === undefined ? undefined : placeIn(until === '' ? 'end' : until),
  };
}

/** At the colon between two places; a colon within a time of day is none. */
function splitRange(text: string): string[] {
  const match = /^(start|end|-?\d+|@-?\d+[a-z]*|@[^:]*(?::\d\d){1,2}[^:]*|@[^:]*|):(.*)$/.exec(text);
  const [, from, until] = match ?? [];
  if (from === undefined || until === undefined || isTime(text)) return [text];
  return [from, until];
}

const isTime = (text: string): boolean => text.startsWith('@') && !Number.isNaN(Date.parse(text.slice(1)));

/** Reads one position: `start`, `end`, `N`, `-N`, `@TIME` or `@-1h`. Throws a usage error, which names `orElse` too. */
export const parsePlace = (text: string, nowMs: number, orElse = ''): Place =>
  placeOf(text, nowMs, `start, end, N, -N, @TIME or @-1h${orElse}`);

function placeOf(text: string, nowMs: number, choices: string): Place {
  if (text === 'start' || text === 'end') return text;
  if (/^\d+$/.test(text)) return { offset: BigInt(text) };
  if (/^-\d+$/.test(text)) return { beforeEnd: BigInt(text.slice(1)) };
  if (text.startsWith('@')) return { timestamp: parseTime(text.slice(1), nowMs) };
  throw usage(`${JSON.stringify(text)} is no position: use ${choices}`);
}

function parseTime(text: string, nowMs: number): number {
  if (/^\d+$/.test(text)) return Number(text);
  if (text.startsWith('-')) return nowMs - parseDuration(text.slice(1));
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw usage(`${JSON.stringify(text)} is no time: use milliseconds, an ISO date, or -1h`);
  return time;
}
