import { offset } from '@moldau/kernel';
import test from 'ava';
import {
  extend,
  judge,
  type ProducerBatch,
  type ProducerVerdict,
  type ProducerWindow,
} from '../src/producers/producer-window.ts';

const last = 2 ** 31 - 1;

/** A window with batches of the given first sequences and counts, at offsets 100, 200, … */
function windowOf(epoch: number, ...batches: [sequence: number, count: number][]): ProducerWindow | undefined {
  let window: ProducerWindow | undefined;
  for (const [i, [firstSequence, recordsCount]] of batches.entries()) {
    const base = 100 * (i + 1);
    window = extend(window, { epoch, firstSequence, recordsCount }, offset(base), offset(base + recordsCount - 1));
  }
  return window;
}

const batch = (epoch: number, firstSequence: number, recordsCount = 1): ProducerBatch => ({
  epoch,
  firstSequence,
  recordsCount,
});
const six = windowOf(3, [0, 10], [10, 10], [20, 10], [30, 10], [40, 10], [50, 10]);
const wrapping = windowOf(0, [last - 4, 5], [0, 2]);

const table: [
  name: string,
  window: ProducerWindow | undefined,
  batch: ProducerBatch,
  verdict: ProducerVerdict['kind'],
  detail?: number,
][] = [
  ['an unknown producer begins at 0', undefined, batch(0, 0), 'accept'],
  ['an unknown producer with a later sequence', undefined, batch(0, 1), 'unknown-producer'],
  ['the next batch', six, batch(3, 60), 'accept'],
  ['the newest batch again', six, batch(3, 50, 10), 'duplicate', 600],
  ['the oldest batch of the window again', six, batch(3, 10, 10), 'duplicate', 200],
  ['a batch that has left the window', six, batch(3, 0, 10), 'old-duplicate', 200],
  ['a gap', six, batch(3, 61), 'out-of-order', 60],
  ['the same first sequence with fewer records', six, batch(3, 50, 9), 'out-of-order', 60],
  ['a batch that overlaps two of the window', six, batch(3, 45, 10), 'out-of-order', 60],
  ['a batch from before the window into it', six, batch(3, 5, 10), 'out-of-order', 60],
  ['an older epoch', six, batch(2, 60), 'fenced', 3],
  ['an older epoch, even for what was written', six, batch(2, 50, 10), 'fenced', 3],
  ['a newer epoch begins at 0', six, batch(4, 0), 'accept'],
  ['a newer epoch with a later sequence', six, batch(4, 60), 'out-of-order', 0],
  ['sequences wrap to 0', windowOf(0, [last - 4, 5]), batch(0, 0), 'accept'],
  ['sequences do not go on to 2^31', windowOf(0, [last - 4, 5]), batch(0, last), 'out-of-order', 0],
  ['behind the wrap the next is due', wrapping, batch(0, 2), 'accept'],
  ['a duplicate from before the wrap', wrapping, batch(0, last - 4, 5), 'duplicate', 100],
  ['an old duplicate from before the wrap', wrapping, batch(0, last - 9, 5), 'old-duplicate', 100],
];

for (const [name, window, sent, kind, detail] of table) {
  test(`${name}: ${kind}`, (t) => {
    const verdict = judge(window, sent);
    t.is(verdict.kind, kind);
    if (verdict.kind === 'duplicate') t.is(verdict.entry.baseOffset, offset(detail ?? -1));
    if (verdict.kind === 'old-duplicate') t.is(verdict.oldest.baseOffset, offset(detail ?? -1));
    if (verdict.kind === 'fenced') t.is(verdict.currentEpoch, detail ?? -1);
    if (verdict.kind === 'out-of-order') t.is(verdict.expected, detail ?? -1);
  });
}

test('a batch that crosses the wrap ends at a small sequence', (t) => {
  t.is(windowOf(0, [last, 3])?.entries[0]?.lastSequence, 1);
});

test('a window keeps five batches, and a new epoch begins an empty one', (t) => {
  t.deepEqual(
    six?.entries.map((entry) => entry.firstSequence),
    [10, 20, 30, 40, 50],
  );
  const next = extend(six, batch(4, 0, 2), offset(700), offset(701));
  t.deepEqual(next, {
    epoch: 4,
    entries: [{ firstSequence: 0, lastSequence: 1, baseOffset: offset(700), lastOffset: offset(701) }],
  });
});
