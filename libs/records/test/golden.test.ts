import { readFileSync } from 'node:fs';
import {
  BatchBuilder,
  BatchHeader,
  type Compression,
  compressions,
  crcMatches,
  readRecords,
  stampBatch,
} from '@moldau/records';
import test from 'ava';

const golden = JSON.parse(readFileSync(new URL('golden/kafka-3.9.1.json', import.meta.url), 'utf8')) as {
  batches: Record<Compression, string>;
};
const bytesOf = (compression: Compression): Buffer => Buffer.from(golden.batches[compression], 'hex');
const text = (value: string): Uint8Array => Buffer.from(value);
const producer = { id: 77n, epoch: 3, baseSequence: 5 };

const input = [
  {
    timestampMs: 1_700_000_000_000,
    key: text('k1'),
    value: text('hello, river'),
    headers: [
      { name: 'trace', value: text('abc') },
      { name: 'none', value: null },
    ],
  },
  { timestampMs: 1_700_000_000_005, key: null, value: text('second'), headers: [] },
  { timestampMs: 1_699_999_999_990, key: text('k3'), value: null, headers: [] },
  { timestampMs: 1_700_000_100_000, key: text('k4'), value: text('x'.repeat(300)), headers: [] },
];

for (const compression of compressions) {
  test(`reads what Kafka wrote: ${compression}`, (t) => {
    const batch = bytesOf(compression);
    const header = new BatchHeader(batch);
    t.is(header.sizeBytes, batch.length);
    t.true(crcMatches(batch, 0, header, batch.length));
    t.is(header.producerId, 77n);
    t.is(header.producerEpoch, 3);
    t.is(header.baseSequence, 5);
    t.is(header.leaderEpoch, 9);
    t.is(header.maxTimestamp, 1_700_000_100_000);
    const records = readRecords(batch);
    t.deepEqual(
      records.map((record) => [String(record.offset), record.timestampMs, string(record.key), string(record.value)]),
      input.map((record, i) => [String(i), record.timestampMs, string(record.key), string(record.value)]),
    );
    t.deepEqual(
      records.map((record) => record.headers.map((h) => [h.name, string(h.value)])),
      [
        [
          ['trace', 'abc'],
          ['none', null],
        ],
        [],
        [],
        [],
      ],
    );
  });

  test(`what we write reads back: ${compression}`, (t) => {
    const builder = new BatchBuilder(64);
    for (const record of input) builder.add(record);
    const batch = builder.build(compression, producer);
    const header = new BatchHeader(batch);
    t.true(crcMatches(batch, 0, header, batch.length));
    t.deepEqual(
      readRecords(batch).map((record) => string(record.value)),
      input.map((record) => string(record.value)),
    );
  });
}

test('an uncompressed batch equals the one of Kafka byte for byte', (t) => {
  const builder = new BatchBuilder();
  for (const record of input) builder.add(record);
  const batch = builder.build('none', producer);
  stampBatch(batch, 0, 0n, 9);
  t.is(Buffer.from(batch).toString('hex'), golden.batches.none);
});

test('stamping leaves the CRC right', (t) => {
  const batch = bytesOf('zstd');
  stampBatch(batch, 0, 1_000_000_000_000n, 12);
  const header = new BatchHeader(batch);
  t.is(header.baseOffset, 1_000_000_000_000n);
  t.is(header.lastOffset, 1_000_000_000_003n);
  t.is(header.leaderEpoch, 12);
  t.true(crcMatches(batch, 0, header, batch.length));
});

const string = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());
