import test from 'ava';
import { CommitQueue, type Parked } from '../src/commit-queue.ts';
import { recordOf } from './support/registers.ts';

function notedQueue(batchBytes = 1_000) {
  const queue = new CommitQueue(batchBytes);
  const notes: string[] = [];
  const parked = (name: string, bytes = 0): Parked => ({
    bytes,
    release: () => void notes.push(name),
    fail: (mayBeWritten) => void notes.push(`${name} ${mayBeWritten ? 'unknown' : 'not written'}`),
  });
  const keys = (): string[] | undefined => queue.take()?.map(({ key }) => Buffer.from(key).toString());
  return { queue, notes, parked, keys };
}

test('nothing leaves before its batch and all before it, and what has nothing to wait for leaves at once', (t) => {
  const { queue, notes, parked, keys } = notedQueue();
  queue.add([], false, parked('read 1'));
  t.deepEqual(notes, ['read 1']);
  queue.add([recordOf('a', 1)], false, parked('a'));
  queue.add([], false, parked('read 2'));
  t.deepEqual(keys(), ['a']);
  queue.add([], false, parked('read 3'));
  queue.add([recordOf('b', 1), recordOf('c', 1)], false, parked('b and c'));
  queue.add([recordOf('d', 1)], false, parked('d'));
  queue.add([], false, parked('read 4'));
  t.is(keys(), undefined, 'one batch is on its way');
  t.deepEqual(notes, ['read 1']);
  queue.committed();
  t.deepEqual(notes.splice(0), ['read 1', 'a', 'read 2', 'read 3']);
  t.deepEqual(keys(), ['b', 'c', 'd'], 'what came meanwhile goes together');
  queue.committed();
  t.deepEqual(notes, ['b and c', 'd', 'read 4']);
  t.deepEqual([queue.isEmpty, queue.waiting, queue.waitingBytes], [true, 0, 0]);
});

test('what waits counts, records and answers, until it has left', (t) => {
  const { queue, parked } = notedQueue();
  queue.add([recordOf('a', 1)], false, parked('a', 1_000));
  queue.add([], true, parked('read', 5_000));
  t.true(queue.waitingBytes > 6_000 && queue.waitingBytes < 6_200);
  queue.take();
  queue.committed();
  t.is(queue.waitingBytes, 0);
  queue.add([], true, parked('read', 5_000));
  queue.fail(true);
  t.is(queue.waitingBytes, 0);
});

test('a fresh answer waits for a batch that is sent after it was asked for', (t) => {
  const { queue, notes, parked, keys } = notedQueue();
  queue.add([], true, parked('fresh 1'));
  t.deepEqual(keys(), [], 'a commit is asked for, with nothing in it');
  queue.add([], true, parked('fresh 2'));
  queue.add([recordOf('a', 1)], false, parked('a'));
  queue.add([], true, parked('fresh 3'));
  queue.committed();
  t.deepEqual(notes, ['fresh 1']);
  t.deepEqual(keys(), ['a'], 'a batch with records will do');
  queue.committed();
  t.deepEqual(notes, ['fresh 1', 'fresh 2', 'a', 'fresh 3']);
});

test('a full batch is followed by another, and the records of one request are never divided', (t) => {
  const { queue, parked, keys } = notedQueue(150);
  queue.add([recordOf('a', 1)], false, parked('a'));
  queue.add([recordOf('b', 1), recordOf('c', 1), recordOf('d', 1)], false, parked('b, c, d'));
  queue.add([recordOf('e', 1)], false, parked('e'));
  t.deepEqual(keys(), ['a', 'b', 'c', 'd']);
  queue.committed();
  t.deepEqual(keys(), ['e']);
});

test('what is lost may be written only where its own records were on their way', (t) => {
  const { queue, notes, parked, keys } = notedQueue();
  queue.add([recordOf('a', 1)], false, parked('a'));
  keys();
  queue.add([recordOf('b', 1)], false, parked('b'));
  queue.fail(true);
  t.deepEqual(notes.splice(0), ['a unknown', 'b not written']);
  queue.add([recordOf('c', 1)], false, parked('c'));
  keys();
  queue.fail(false);
  t.deepEqual(notes, ['c not written']);
  t.deepEqual([queue.isEmpty, queue.waiting, queue.waitingBytes], [true, 0, 0]);
});

test('who is released may ask for more', (t) => {
  const { queue, notes, parked, keys } = notedQueue();
  queue.add([recordOf('a', 1)], false, {
    ...parked('a'),
    release: () => queue.add([recordOf('b', 1)], false, parked('b')),
  });
  keys();
  queue.committed();
  t.deepEqual(keys(), ['b']);
  queue.committed();
  t.deepEqual(notes, ['b']);
});
