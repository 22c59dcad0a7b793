import type { MessageInitShape } from '@bufbuild/protobuf';
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
