import { parseBytes, parseDuration } from '@moldau/config/values';
import type { Millis } from '@moldau/kernel';

/** A span of time: milliseconds, or a number with its unit. */
export type Duration = Millis | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;
/** A size: bytes, or a number with its unit. */
export type Size = number | `${number}${'B' | 'KiB' | 'MiB' | 'GiB'}`;

export const toMs = (duration: Duration): Millis => (typeof duration === 'number' ? duration : parseDuration(duration));
export const toBytes = (size: Size): number => (typeof size === 'number' ? size : parseBytes(size));
