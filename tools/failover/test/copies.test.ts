import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ledger } from '@moldau/chaos-tool/ledger';
import { BatchBuilder, stampBatch } from '@moldau/records';
import test, { type ExecutionContext } from 'ava';
import { compareCopies } from '../src/copies.ts';
import { flipBit } from '../src/damage.ts';

const topicId = 'the-topic';
const texts = ['record-0.0-0', 'record-0.0-1', 'record-0.0-2'];
const segment = '00000000000000000000.log';

function batch(text: string, offset: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.add({ key: null, value: new TextEncoder().encode(text), timestampMs: 0 });
  const bytes = builder.build();
  stampBatch(bytes, 0, BigInt(offset), 1);
  return bytes;
}

/** The directories of three nodes with one copy each, and what was acknowledged of it. */
function threeCopies(t: ExecutionContext) {
  const root = mkdtempSync(join(tmpdir(), 'moldau-copies-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const directories = new Map([1, 2, 3].map((node) => [node, join(root, `node-${node}`)]));
  const path = (node: number): string => join(root, `node-${node}`, 'partitions', `${topicId}-0`, segment);
  const ledger = new Ledger();
  for (const [offset, text] of texts.entries()) ledger.acked(0, text, BigInt(offset));
  for (const node of [1, 2, 3]) {
    mkdirSync(join(path(node), '..'), { recursive: true });
    writeFileSync(join(path(node), '..', 'partition.json'), JSON.stringify({ topicId, partition: 0 }));
    for (const [offset, text] of texts.entries()) appendFileSync(path(node), batch(text, offset));
  }
  return { path, compare: (highWatermark = 3n) => compareCopies(directories, topicId, [highWatermark], ledger) };
}

test('three equal copies pass, whatever stands above the high watermark', async (t) => {
  const { path, compare } = threeCopies(t);
  appendFileSync(path(2), batch('record-0.0-3', 3));
  appendFileSync(path(3), batch('record-0.1-0', 3));
  await t.notThrowsAsync(compare());
});

test('a copy that differs below the high watermark is told, though all of it was acknowledged', async (t) => {
  const { path, compare } = threeCopies(t);
  appendFileSync(path(1), batch('record-0.0-3', 3));
  appendFileSync(path(2), batch('record-0.0-3', 3));
  appendFileSync(path(3), batch('record-0.1-0', 3));
  await t.throwsAsync(compare(4n), { message: /divergence: partition 0 differs between node 3 and node 1/ });
});

test('a copy that lacks what was acknowledged is told', async (t) => {
  const { path, compare } = threeCopies(t);
  truncateSync(path(2), batch(texts[0] ?? '', 0).length);
  await t.throwsAsync(compare(), { message: /the files of node 2: .*lost write/ });
});

test('a copy that ends below the high watermark is told', async (t) => {
  await t.throwsAsync(threeCopies(t).compare(4n), { message: /partition 0 ends at 3 on node 1, below 4/ });
});

test('a copy with a flipped bit is told', async (t) => {
  const { path, compare } = threeCopies(t);
  flipBit(path(3));
  await t.throwsAsync(compare(), { message: /node 3 is damaged/ });
});

test('a copy that is not there is told', async (t) => {
  const { path, compare } = threeCopies(t);
  rmSync(join(path(3), '..'), { recursive: true });
  await t.throwsAsync(compare(), { message: /the files of node 3: .*lost write/ });
});
