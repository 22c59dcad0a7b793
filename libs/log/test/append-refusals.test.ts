import { hasReason, MoldauError, offset } from '@moldau/kernel';
import test from 'ava';
import type { AppendOptions } from '../src/index.ts';
import { testBatch, together } from './support/batches.ts';
import { Bench, epoch, headersOf } from './support/bench.ts';

function bytesWith(change: (view: DataView) => void): Uint8Array {
  const bytes = testBatch();
  change(new DataView(bytes.buffer));
  return bytes;
}

const idempotent = { producerId: 5n, producerEpoch: 0 };
const now = Date.UTC(2030, 0, 1);

const refusals: [name: string, bytes: Uint8Array, reason: string, options?: AppendOptions][] = [
  ['no bytes', new Uint8Array(0), 'CORRUPT_BATCH'],
  ['half a header', testBatch().subarray(0, 40), 'CORRUPT_BATCH'],
  ['a cut batch', testBatch().subarray(0, 70), 'CORRUPT_BATCH'],
  ['a second batch that is cut', together(testBatch(), testBatch().subarray(0, 70)), 'CORRUPT_BATCH'],
  ['another format', bytesWith((view) => view.setInt8(16, 1)), 'CORRUPT_BATCH'],
  ['a negative length', bytesWith((view) => view.setInt32(8, -5)), 'CORRUPT_BATCH'],
  ['a wrong CRC', bytesWith((view) => view.setUint8(70, 1)), 'CORRUPT_BATCH'],
  ['a count that contradicts the offsets', testBatch({ records: 2, recordsCount: 3 }), 'CORRUPT_BATCH'],
  ['no record', testBatch({ records: 0 }), 'CORRUPT_BATCH'],
  ['a control batch', testBatch({ attributes: 0x20 }), 'CORRUPT_BATCH'],
  ['a transaction', testBatch({ attributes: 0x10, ...idempotent, sequence: 0 }), 'CORRUPT_BATCH'],
  ['a delete horizon', testBatch({ attributes: 0x40 }), 'CORRUPT_BATCH'],
  ['an unknown compression', testBatch({ attributes: 5 }), 'CORRUPT_BATCH'],
  ['a claimed log-append time', testBatch({ attributes: 8 }), 'CORRUPT_BATCH'],
  ['a reserved producer', testBatch({ producerId: -2n }), 'CORRUPT_BATCH'],
  ['a producer without epoch', testBatch({ producerId: 5n, sequence: 0 }), 'CORRUPT_BATCH'],
  ['a producer without sequence', testBatch({ ...idempotent }), 'CORRUPT_BATCH'],
  ['a negative timestamp', testBatch({ timestampMs: -1 }), 'CORRUPT_BATCH'],
  ['a timestamp far ahead', testBatch({ timestampMs: now + 3_700_000 }), 'INVALID_REQUEST'],
  ['two batches of a producer', together(testBatch({ ...idempotent, sequence: 0 }), testBatch()), 'INVALID_REQUEST'],
  [
    'two batches under a condition',
    together(testBatch(), testBatch()),
    'INVALID_REQUEST',
    { expectedOffset: offset(0) },
  ],
  ['a batch that is too large', testBatch({ payloadBytes: 5000 }), 'RECORD_TOO_LARGE'],
  ['another log end', testBatch(), 'EXPECTED_OFFSET_MISMATCH', { expectedOffset: offset(7) }],
  ['an unknown producer', testBatch({ ...idempotent, sequence: 4 }), 'UNKNOWN_PRODUCER'],
];

for (const [name, bytes, reason, options] of refusals) {
  test(`${name} is refused with ${reason}, and nothing is taken`, async (t) => {
    const bench = new Bench();
    bench.config = { ...bench.config, maxBatchBytes: 4000 };
    const log = await bench.log();
    log.lead(epoch(1));
    const before = bytes.slice();
    const error = t.throws(() => log.append(bytes, options), { instanceOf: MoldauError });
    t.is(error.reason, reason);
    t.is(error.outcome, 'NOT_WRITTEN');
    t.deepEqual(bytes, before, 'refused bytes are not stamped');
    t.is(log.logEnd, offset(0));
    t.like(log.append(testBatch()), { baseOffset: 0n });
    await bench.settle(log);
  });
}

test('whoever sends a batch that is too large is told which setting would take it', async (t) => {
  const bench = new Bench();
  bench.config = { ...bench.config, maxBatchBytes: 4000 };
  const log = await bench.log();
  log.lead(epoch(1));
  t.throws(() => log.append(testBatch({ payloadBytes: 5000 })), { message: /raise max\.batch\.bytes$/ });
});

test('all batches of an entry are checked before one is appended', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  t.throws(() => log.append(together(testBatch(), testBatch({ attributes: 0x20 }))));
  t.is(log.logEnd, offset(0));
});

test('the duplicate check comes before the condition and before admission', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  const sent = testBatch({ ...idempotent, sequence: 0, records: 3 });
  log.append(sent.slice(), { expectedOffset: offset(0) });
  const admit = (): never => t.fail('a duplicate asks for no admission') as never;
  const again = log.append(sent.slice(), { expectedOffset: offset(0), admit });
  t.deepEqual(again, { kind: 'duplicate', baseOffset: offset(0), lastOffset: offset(2), commitsAt: offset(3) });
});

test('a duplicate outside the window has no offset, and waits for the oldest batch of the window', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  const batches = [0, 1, 2, 3, 4, 5].map((sequence) => testBatch({ ...idempotent, sequence }));
  for (const bytes of batches) log.append(bytes.slice());
  t.deepEqual(log.append(batches[0] ?? testBatch()), { kind: 'duplicate', commitsAt: offset(2) });
});

test('what admission refuses is not taken, and its sequence is still due', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  const sent = testBatch({ ...idempotent, sequence: 0 });
  const refuse = (): never => {
    throw new MoldauError('NOT_ENOUGH_REPLICAS', 'too few');
  };
  t.true(
    hasReason(
      t.throws(() => log.append(sent.slice(), { admit: refuse })),
      'NOT_ENOUGH_REPLICAS',
    ),
  );
  t.like(log.append(sent), { kind: 'appended', baseOffset: 0n });
});

test('only a leader appends', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  t.true(
    hasReason(
      t.throws(() => log.append(testBatch())),
      'NOT_LEADER',
    ),
  );
  log.lead(epoch(1));
  log.append(testBatch());
  log.stopLeading();
  t.true(
    hasReason(
      t.throws(() => log.append(testBatch())),
      'NOT_LEADER',
    ),
  );
  await bench.settle(log);
  t.is(log.durableEnd, offset(1), 'what was taken is still written');
});

test('log-append time is stamped into every batch, under a right CRC', async (t) => {
  const bench = new Bench();
  bench.config = { ...bench.config, timestampType: 'append' };
  const log = await bench.log();
  log.lead(epoch(1));
  const appendedAt = bench.time.wallMs();
  const result = log.append(together(testBatch({ timestampMs: 5 }), testBatch({ timestampMs: 6 })));
  t.like(result, { kind: 'appended', timestampMs: appendedAt });
  await bench.settle(log);
  await bench.close();
  const reopened = await bench.reopen();
  for (const header of headersOf(await bench.read(reopened, 0))) {
    t.true(header.isLogAppendTime);
    t.is(header.maxTimestamp, appendedAt);
  }
});
