import { faults } from '@moldau/kernel';

const pageSizeMax = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** One page of a list that is sorted by `keyOf`. The token is the last key of the page before. */
export function pageOf<T, K extends string | number>(
  sorted: readonly T[],
  keyOf: (item: T) => K,
  request: { readonly pageSize: number; readonly pageToken: string },
  fromToken: (token: string) => K,
): Page<T> {
  if (request.pageSize > pageSizeMax)
    throw faults.invalidRequest('page_size', `is ${request.pageSize}: at most ${pageSizeMax}`);
  const after = request.pageToken === '' ? undefined : fromToken(request.pageToken);
  const from = after === undefined ? 0 : sorted.findIndex((item) => keyOf(item) > after);
  if (from === -1) return { items: [], nextPageToken: '' };
  const end = from + (request.pageSize || pageSizeMax);
  const items = sorted.slice(from, end);
  const last = items.at(-1);
  return { items, nextPageToken: end < sorted.length && last !== undefined ? String(keyOf(last)) : '' };
}
