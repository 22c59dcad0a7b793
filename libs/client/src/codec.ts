import { faults } from '@moldau/kernel';

/** Turns values of an application into bytes and back. `null` stays null: it is a tombstone. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

const utf8 = new TextDecoder('utf-8', { fatal: false });

const text: Codec<string> = {
  encode: (value) => Buffer.from(value),
  decode: (bytes) => utf8.decode(bytes),
};

/** The codecs that come along. */
export const codec = {
  /** Bytes as they are. */
  bytes: { encode: (value: Uint8Array) => value, decode: (bytes: Uint8Array) => bytes } satisfies Codec<Uint8Array>,
  /** UTF-8. */
  text,
  /** JSON in UTF-8. `decode` trusts the writer to have written a `T`. */
  json: <T>(): Codec<T> => ({
    encode: (value) => text.encode(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(text.decode(bytes)) as T,
  }),
} as const;

/** The codec that was given, or text: without one, K and V are strings. */
export function orText<T>(given: Codec<T> | undefined): Codec<T> {
  const found = given ?? (text as Codec<unknown> as Codec<T>);
  if (typeof found.encode !== 'function' || typeof found.decode !== 'function')
    throw faults.invalidRequest('key or value', 'is no codec: use one of `codec`, or an object with encode and decode');
  return found;
}
