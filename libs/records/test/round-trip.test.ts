import test from 'ava';
import fc from 'fast-check';
import { BatchBuilder, type NewRecord, readRecords } from '../src/index.ts';

/** Lengths and numbers on both sides of where a varint takes one byte more. */
const edges = [0, 1, 62, 63, 64, 65, 127, 128, 8190, 8191, 8192, 8193, 20_000];

const bytes = fc.constantFrom(...edges).map((length) => Buffer.alloc(length, length));
const field = fc.option(bytes, { nil: null, freq: 3 });
const delta = fc.oneof(
  fc.constantFrom(...edges, ...edges.map((edge) => -edge)),
  fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
);
const headers = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(fc.record({ name: fc.string(), value: field }), { maxLength: 3 }) },
);
const record: fc.Arbitrary<NewRecord> = fc.record({
  key: field,
  value: field,
  timestampMs: delta.map((ms) => 1_700_000_000_000 + ms),
  headers,
});

test('what is built is read as it was, whatever lengths and numbers are in it', (t) => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
      const builder = new BatchBuilder();
      for (const one of records) builder.add(one);
      const read = readRecords(builder.build());
      t.is(read.length, records.length);
      for (const [i, { key, value, timestampMs, headers = [] }] of records.entries()) {
        const found = read[i];
        t.is(found?.offset, BigInt(i) as NonNullable<typeof found>['offset']);
        t.is(found?.timestampMs, timestampMs);
        t.deepEqual([found?.key, found?.value].map(asBuffer), [key, value].map(asBuffer));
        t.deepEqual(found?.headers.map(asPair), headers.map(asPair));
      }
    }),
    { seed: 5, numRuns: 300 },
  );
});

test('offsets go on through batches with more records than one, two and three bytes count', (t) => {
  const builder = new BatchBuilder();
  const count = 1_050_000;
  const value = Buffer.from('v');
  for (let i = 0; i < count; i += 1) builder.add({ key: null, value, timestampMs: 5 });
  let next = 0n;
  for (const { offset } of readRecords(builder.build())) {
    if (offset !== next) return t.fail(`${offset} instead of ${next}`);
    next += 1n;
  }
  t.is(next, BigInt(count));
});

const asBuffer = (field: Uint8Array | null | undefined): Buffer | null => (field ? Buffer.from(field) : null);
const asPair = ({ name, value }: { name: string; value: Uint8Array | null }): unknown[] => [name, asBuffer(value)];
