import test from 'ava';
import { History } from '../src/history.ts';

const violationsOf = (story: (history: History) => void): readonly string[] => {
  const history = new History(2);
  story(history);
  return history.violations;
};

test('a partition that goes from one to the next, and comes again behind the last commit, is in order', (t) => {
  const history = new History(1);
  history.assigned('a', 0);
  history.delivered('a', 0, 0);
  history.delivered('a', 0, 1);
  history.committed('a', 0, 1);
  history.released('a', 0);
  history.assigned('b', 0);
  history.delivered('b', 0, 1);
  history.committed('b', 0, 2);
  t.deepEqual(history.violations, []);
  t.is(history.duplicates, 1);
  t.true(history.hasAll([2]));
  t.false(history.hasAll([3]));
  t.notThrows(() => history.check());
});

test('two owners at one time are seen', (t) => {
  t.is(
    violationsOf((history) => {
      history.assigned('a', 0);
      history.assigned('b', 0);
    }).length,
    1,
  );
});

test('who goes on once another one has the partition is seen, also by a commit', (t) => {
  t.is(
    violationsOf((history) => {
      history.assigned('a', 0);
      history.released('a', 0);
      history.delivered('a', 0, 0);
      history.assigned('b', 0);
      history.delivered('a', 0, 1);
      history.committed('a', 0, 2);
    }).length,
    2,
  );
});

test('what was committed and comes again is seen, and so is a commit that goes back', (t) => {
  t.is(
    violationsOf((history) => {
      history.assigned('a', 0);
      history.delivered('a', 0, 0);
      history.committed('a', 0, 1);
      history.delivered('a', 0, 0);
      history.committed('a', 0, 0);
    }).length,
    2,
  );
});

test('a record that nobody was given is missed', (t) => {
  const history = new History(1);
  history.assigned('a', 0);
  history.delivered('a', 0, 0);
  history.delivered('a', 0, 2);
  t.false(history.hasAll([3]));
});
