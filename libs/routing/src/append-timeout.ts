import type { Millis } from '@moldau/kernel';

const defaultMs = 10_000;
const maxMs = 60_000;

/** The time that an append may take to commit: 0 asks for the default, and nothing takes longer than the limit. */
export function appendTimeout(askedMs: Millis): Millis {
  return askedMs === 0 ? defaultMs : Math.min(askedMs, maxMs);
}
