import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults } from '@moldau/kernel';
import type { PositionSchema } from '@moldau/proto/moldau/log/v1/record_pb';

/** Where to read, or where to stop. `'end'` is behind the last committed record; a number of records counts back from it. */
export type Place =
  | 'start'
  | 'end'
  | { readonly offset: bigint }
  | { readonly timestamp: number | Date }
  | { readonly beforeEnd: bigint | number };

export function positionOf(place: Place): MessageInitShape<typeof PositionSchema> {
  if (place === 'start') return { at: { case: 'earliest', value: {} } };
  if (place === 'end') return { at: { case: 'latest', value: {} } };
  if ('offset' in place) return { at: { case: 'offset', value: place.offset } };
  if ('beforeEnd' in place) return { at: { case: 'beforeLatest', value: BigInt(place.beforeEnd) } };
  return { at: { case: 'timestampMs', value: BigInt(Number(place.timestamp)) } };
}

const choices =
  "'start', 'end', { offset: 42n }, { timestamp: a Date, or milliseconds since 1970 } or { beforeEnd: a number of records }";

/** Refuses what is no place, as unchecked JavaScript may hand in. Throws INVALID_REQUEST, which says what a place can be. */
export function checkPlace(field: string, place: unknown): void {
  if (!isPlace(place)) throw faults.invalidRequest(field, `is no place: use ${choices}`);
}

function isPlace(place: unknown): place is Place {
  if (place === 'start' || place === 'end') return true;
  if (typeof place !== 'object' || place === null) return false;
  if ('offset' in place) return typeof place.offset === 'bigint' && place.offset >= 0n;
  if ('beforeEnd' in place) {
    const { beforeEnd } = place;
    return typeof beforeEnd === 'bigint' ? beforeEnd >= 0n : Number.isSafeInteger(beforeEnd) && Number(beforeEnd) >= 0;
  }
  if (!('timestamp' in place)) return false;
  const { timestamp } = place;
  return Number.isSafeInteger(timestamp instanceof Date ? timestamp.getTime() : timestamp);
}
