import { assert, revision } from '@moldau/kernel';
import type { Compare, StoreEntry, StoreEvent, StoreOp, TxnResult } from '@moldau/metadata';
import type { ICompare, IEvent, IKeyValue, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';

// Between the port's words and etcd's messages. 64-bit numbers are decimal texts on that side.

/** etcd's name for the first possible key; as an end it means: to the last one. */
const zero = Buffer.from([0]);

/** Only below these are UTF-8, by which etcd orders keys, and code units of one order. */
const outOfOrder = /[\ud800-\uffff]/;

function keyBytes(key: string): Buffer {
  assert(key !== '' && !outOfOrder.test(key), `a key is not empty and has no characters above U+D7FF: ${key}`);
  return Buffer.from(key);
}

/** The keys that begin with `prefix` and stand above `after`. */
export function keysBelow(prefix: string, after?: string | undefined): { key: Buffer; range_end: Buffer } {
  const first = after !== undefined && after >= prefix ? Buffer.concat([keyBytes(after), zero]) : undefined;
  if (prefix === '') return { key: first ?? zero, range_end: zero };
  const start = keyBytes(prefix);
  const end = Buffer.from(start);
  // No byte of UTF-8 is 255, so there is always a next one.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: first ?? start, range_end: end };
}

export function txnRequest(
  compares: readonly Compare[],
  ops: readonly StoreOp[],
  otherwise: readonly StoreOp[],
): ITxnRequest {
  return { compare: compares.map(toCompare), success: ops.map(toRequest), failure: otherwise.map(toRequest) };
}

function toCompare(compare: Compare): ICompare {
  const key = keyBytes(compare.key);
  return 'modRevision' in compare
    ? { key, result: 'Equal', target: 'Mod', mod_revision: String(compare.modRevision) }
    : { key, result: 'Equal', target: 'Create', create_revision: String(compare.createRevision) };
}

function toRequest(op: StoreOp): IRequestOp {
  const key = keyBytes(op.key);
  switch (op.kind) {
    case 'get':
      return { request_range: { key } };
    case 'delete':
      return { request_delete_range: { key } };
    case 'put':
      return {
        request_put: { key, value: Buffer.from(op.value), ...(op.lease === undefined ? {} : { lease: op.lease }) },
      };
  }
}

export function txnResult(
  { succeeded, header, responses }: ITxnResponse,
  ops: readonly StoreOp[],
  otherwise: readonly StoreOp[],
): TxnResult {
  const read = (succeeded ? ops : otherwise).flatMap(({ kind }, i) => {
    if (kind !== 'get') return [];
    const [found] = responses[i]?.response_range.kvs ?? [];
    return [found === undefined ? undefined : toEntry(found)];
  });
  return { succeeded, revision: toRevision(header.revision), read };
}

export const toRevision = (text: string) => revision(BigInt(text));

export const toEntry = ({ key, value, create_revision, mod_revision }: IKeyValue): StoreEntry => ({
  key: key.toString(),
  value: value.toString(),
  createRevision: toRevision(create_revision),
  modRevision: toRevision(mod_revision),
});

export const toEvent = ({ type, kv }: IEvent): StoreEvent =>
  type === 'Put' ? { kind: 'put', entry: toEntry(kv) } : { kind: 'delete', key: kv.key.toString() };
