import { AssertionFailed, assert, faults, hasReason, MoldauError, offset } from '@moldau/kernel';
import test from 'ava';

test('a reason decides whether a retry can help, and what is known of the write', (t) => {
  t.true(new MoldauError('NOT_LEADER', 'x').retriable);
  t.is(new MoldauError('NOT_LEADER', 'x').outcome, 'NOT_WRITTEN');
  t.is(new MoldauError('TIMED_OUT', 'x').outcome, 'UNKNOWN');
  t.is(new MoldauError('DUPLICATE_SEQUENCE', 'x').outcome, 'WRITTEN');
});

test('a fault says what happened, to what, and what to do', (t) => {
  const error = faults.offsetOutOfRange(9n, offset(2), offset(5));
  t.true(hasReason(error, 'OFFSET_OUT_OF_RANGE'));
  t.false(hasReason(error, 'NOT_LEADER'));
  t.regex(error.message, /9 is outside 2…5.*read from/);
  t.deepEqual(error.fields, { offset: 9n, start: 2n, end: 5n });
});

test('an assertion is no MoldauError: nothing may take it for something that happens', (t) => {
  const error = t.throws(() => assert(false, 'broken'), { instanceOf: AssertionFailed });
  t.false(error instanceof MoldauError);
  t.throws(() => offset(-1n), { instanceOf: AssertionFailed });
});
