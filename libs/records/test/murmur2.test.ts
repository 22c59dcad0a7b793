import { murmur2, partitionOfKey } from '@moldau/records';
import test from 'ava';

// Computed with org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 3.9.1.
const known: readonly [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['abc', 479470107],
  ['', 275646681],
  ['x', 2121525046],
  ['xy', -1884506471],
  ['hello', 2132663229],
];

for (const [key, hash] of known) {
  test(`hashes ${JSON.stringify(key)} as Kafka does`, (t) => {
    t.is(murmur2(Buffer.from(key)) | 0, hash);
    t.is(partitionOfKey(Buffer.from(key), 7), (hash & 0x7fffffff) % 7);
  });
}
