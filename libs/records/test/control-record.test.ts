import {
  BatchHeader,
  crcMatches,
  fencingTokenBatch,
  fencingTokenOf,
  readRecords,
  tokenBatchBytes,
} from '@moldau/records';
import test from 'ava';

const hex = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('hex');

test('a fencing token is one control record, laid out as it is written down', (t) => {
  const batch = fencingTokenBatch(0x0102030405060708n, 1_700_000_000_000);
  const header = new BatchHeader(batch);
  t.true(header.isControl);
  t.is(header.attributes, 0x20);
  t.is(header.sizeBytes, tokenBatchBytes);
  t.is(batch.length, tokenBatchBytes);
  t.true(crcMatches(batch, 0, header, batch.length));
  t.deepEqual([header.recordsCount, header.producerId, header.baseSequence], [1, -1n, -1]);
  const [record, ...others] = readRecords(batch);
  t.is(hex(record?.key), '00000064');
  t.is(hex(record?.value), '00000102030405060708');
  t.is(record?.timestampMs, 1_700_000_000_000);
  t.deepEqual(others, []);
});

test('the token is found wherever the batch stands; the largest and the smallest, too', (t) => {
  for (const token of [0n, 1n, 2n ** 63n - 1n]) {
    const batch = fencingTokenBatch(token, 0);
    const among = new Uint8Array(Buffer.concat([Buffer.alloc(13, 9), batch, Buffer.alloc(5)]));
    t.is(fencingTokenOf(among, 13), token);
  }
});

test('what is no control record, or one that is not known here, raises nothing', (t) => {
  const changed = (at: number, value: number): Uint8Array => {
    const batch = fencingTokenBatch(7n, 0);
    batch[at] = value;
    return batch;
  };
  const keyAt = 61 + 5;
  t.is(fencingTokenOf(changed(keyAt + 3, 100), 0), 7n);
  t.is(fencingTokenOf(changed(22, 0), 0), undefined, 'no control batch');
  t.is(fencingTokenOf(changed(keyAt + 3, 1), 0), undefined, 'a commit marker');
  t.is(fencingTokenOf(changed(keyAt + 1, 1), 0), undefined, 'another version of the key');
  t.is(fencingTokenOf(changed(keyAt + 6, 1), 0), undefined, 'another version of the value');
});
