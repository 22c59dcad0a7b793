// MurmurHash2, 32 bits, by Austin Appleby (public domain), with the seed of Kafka's default partitioner.

const seed = 0x9747b28c;
const multiplier = 0x5bd1e995;

/** Kafka's hash of a key, as an unsigned 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wholeWords = bytes.length >> 2;
  let hash = seed ^ bytes.length;
  for (let word = 0; word < wholeWords; word += 1) {
    let k = Math.imul(view.getInt32(word * 4, true), multiplier);
    k ^= k >>> 24;
    hash = Math.imul(hash, multiplier) ^ Math.imul(k, multiplier);
  }
  const rest = wholeWords * 4;
  let tail = 0;
  for (let i = bytes.length - 1; i >= rest; i -= 1) tail = (tail << 8) | (bytes[i] as number);
  if (bytes.length > rest) hash = Math.imul(hash ^ tail, multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** The partition of a key, as Kafka's default partitioner chooses it. */
export const partitionOfKey = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions;
