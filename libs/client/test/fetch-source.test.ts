import { hasReason, type Offset } from '@moldau/kernel';
import { BatchBuilder, stampBatch } from '@moldau/records';
import test from 'ava';
import { FetchSource } from '../src/fetch-source.ts';
import { FetchedRecords } from '../src/fetched-batches.ts';

/** A batch of `count` records that a leader has given these offsets. */
function batchAt(baseOffset: number, count: number): Uint8Array {
  const builder = new BatchBuilder(1024);
  for (let i = 0; i < count; i += 1)
    builder.add({ key: null, value: Buffer.from(`${baseOffset + i}`), timestampMs: 1 });
  const batch = builder.build('zstd', undefined);
  stampBatch(batch, 0, BigInt(baseOffset), 1);
  return batch;
}

function offsetsIn(fetched: ConstructorParameters<typeof FetchedRecords>[0]): number[] {
  const records = new FetchedRecords(fetched);
  const offsets: number[] = [];
  for (let record = records.next(); record !== undefined; record = records.next()) offsets.push(Number(record.offset));
  return offsets;
}

test('what was asked for comes once, from the middle of a batch to the middle of another', (t) => {
  const source = new FetchSource('t', 0, { offset: 13n }, 26n);
  const fetched = source.accept(Buffer.concat([batchAt(10, 10), batchAt(20, 10)]), 13n);
  t.deepEqual(
    offsetsIn(fetched),
    Array.from({ length: 13 }, (_, i) => 13 + i),
  );
  t.true(source.isDone);
  t.true(source.accept(batchAt(30, 10), 30n).isEmpty);
});

test('what arrives again is not given again', (t) => {
  const source = new FetchSource('t', 0, 'start', undefined);
  t.deepEqual(offsetsIn(source.accept(batchAt(0, 3), 0n)), [0, 1, 2]);
  const again = source.accept(batchAt(0, 3), 0n);
  t.true(again.isEmpty);
  t.deepEqual(offsetsIn(again), []);
});

test('a batch is decoded when its turn comes, not when it arrives', (t) => {
  const rotten = batchAt(3, 3);
  rotten.fill(0xff, 61);
  const arrived = Buffer.concat([batchAt(0, 3), rotten, batchAt(6, 1)]);
  const fetched = new FetchSource('t', 0, 'start', undefined).accept(arrived, 0n);
  t.false(fetched.isEmpty);
  const records = new FetchedRecords(fetched);
  t.deepEqual([records.next()?.offset, records.next()?.offset, records.next()?.offset].map(Number), [0, 1, 2]);
  t.true(
    hasReason(
      t.throws(() => records.next()),
      'CORRUPT_BATCH',
    ),
  );
  t.is(records.next()?.offset, 6n as Offset, 'what stands behind it is not lost');
  t.is(records.next(), undefined);
});
