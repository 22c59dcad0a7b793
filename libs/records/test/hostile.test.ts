import { randomBytes } from 'node:crypto';
import { hasReason } from '@moldau/kernel';
import {
  BatchBuilder,
  BatchHeader,
  type Compression,
  compress,
  compressions,
  crc32c,
  decompress,
  type NewRecord,
  readRecords,
  scanBatch,
} from '@moldau/records';
import test from 'ava';
import fc from 'fast-check';

const sample = (compression: Compression = 'none'): Buffer => {
  const builder = new BatchBuilder();
  for (let i = 0; i < 20; i += 1) {
    builder.add({
      key: Buffer.from(`k${i}`),
      value: Buffer.from('v'.repeat(i * 7)),
      timestampMs: i,
      headers: [{ name: 'h', value: null }],
    });
  }
  return Buffer.from(builder.build(compression));
};

for (const compression of compressions.filter((name) => name !== 'none')) {
  test(`a bomb ends at its bound: ${compression}`, (t) => {
    const bomb = compress(compression, Buffer.alloc(4 * 1024 * 1024));
    t.true(bomb.length < 1024 * 1024);
    const error = t.throws(() => decompress(compression, bomb, 1024 * 1024));
    t.true(hasReason(error, 'CORRUPT_BATCH'));
    t.is(decompress(compression, bomb, 4 * 1024 * 1024).length, 4 * 1024 * 1024);
  });

  test(`damaged records give CORRUPT_BATCH or records, nothing else: ${compression}`, (t) => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (where, flip) => {
        const batch = sample(compression);
        const at = 61 + (where % (batch.length - 61));
        batch[at] = (batch[at] as number) ^ flip;
        try {
          return readRecords(batch, 1024 * 1024).length === 20;
        } catch (error) {
          return hasReason(error, 'CORRUPT_BATCH');
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
    t.pass();
  });
}

test('a count that the bytes can not hold is refused before anything is allocated', (t) => {
  const batch = sample();
  batch.writeInt32BE(0x7fffffff, 57);
  t.true(
    hasReason(
      t.throws(() => readRecords(batch)),
      'CORRUPT_BATCH',
    ),
  );
});

test('a length prefix is believed only within its bound', (t) => {
  const batch = sample();
  t.is(scanBatch(batch, 0, 1 << 20).kind, 'batch');
  t.is(scanBatch(batch.subarray(0, batch.length - 1), 0, 1 << 20).kind, 'incomplete');
  t.is(scanBatch(batch.subarray(0, 5), 0, 1 << 20).kind, 'incomplete');
  t.is(scanBatch(batch, 0, 100).kind, 'bad');
  batch.writeInt32BE(-5, 8);
  t.is(scanBatch(batch, 0, 1 << 20).kind, 'bad');
  batch.writeInt32BE(0x7fffffff, 8);
  t.is(scanBatch(batch, 0, 1 << 20).kind, 'bad');
  const old = sample();
  old[16] = 1;
  t.is(scanBatch(old, 0, 1 << 20).kind, 'bad');
});

test('CRC-32C: the check value, and both implementations agree', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  for (const size of [0, 1, 255, 256, 257, 4000]) {
    const bytes = randomBytes(size);
    // The table serves what is below 256 bytes: summing in one go and after padding to the native size must agree.
    t.is(crc32c(bytes), bitwise(bytes), `${size} bytes`);
  }
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test('any records survive a round trip', (t) => {
  const field = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
  const record = fc.record({
    key: field,
    value: field,
    timestampMs: fc.integer({ min: 0, max: 2 ** 51 }),
    headers: fc.array(fc.record({ name: fc.string({ unit: 'grapheme', minLength: 1 }), value: field }), {
      maxLength: 3,
    }),
  });
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(...compressions),
      (records, compression) => {
        const builder = new BatchBuilder(100);
        for (const one of records) builder.add(one);
        const size = builder.sizeBytes;
        const batch = builder.build(compression);
        if (compression === 'none' && batch.length !== size) return false;
        if (new BatchHeader(batch).maxTimestamp !== Math.max(...records.map((one) => one.timestampMs))) return false;
        const plain = (value: Uint8Array | null): string | null =>
          value === null ? null : Buffer.from(value).toString('hex');
        const shape = (one: NewRecord): unknown => [
          plain(one.key),
          plain(one.value),
          one.timestampMs,
          (one.headers ?? []).map((h) => [h.name, plain(h.value)]),
        ];
        return JSON.stringify(readRecords(batch).map((one) => shape(one))) === JSON.stringify(records.map(shape));
      },
    ),
    { seed: 2, numRuns: 500 },
  );
  t.pass();
});
