import test, { type ExecutionContext } from 'ava';
import { type Found, Ledger } from '../src/ledger.ts';

const texts = ['record-0.0-0', 'record-0.0-1', 'record-0.0-2'];
const whole: readonly Found[] = texts.map((text, index) => ({ partition: 0, offset: BigInt(index), text }));

function ledger(): Ledger {
  const one = new Ledger();
  for (const { partition, text, offset } of whole) one.acked(partition, text, offset);
  return one;
}

const fails = (t: ExecutionContext, copy: readonly Found[], message: RegExp, one = ledger()): Promise<unknown> =>
  t.throwsAsync(one.balance('a copy', copy), { message });

const at = (offset: bigint, text: string): Found => ({ partition: 0, offset, text });

test('a copy that is as promised passes, with more behind it', async (t) => {
  await t.notThrowsAsync(ledger().balance('a copy', [...whole, at(3n, 'record-0.0-3')]));
});

test('what was acknowledged and is not there is a lost write', async (t) => {
  await fails(t, whole.slice(0, 2), /lost write: record-0.0-2/);
});

test('a record that is there twice is a duplicate', async (t) => {
  await fails(t, [...whole, at(3n, 'record-0.0-1')], /duplicate: record-0.0-1/);
});

test('a record at another offset than was acknowledged is told', async (t) => {
  await fails(t, [...whole.slice(0, 2), at(3n, 'record-0.0-2')], /inconsistent offset: record-0.0-2/);
});

test('records of a lane that change places are told', async (t) => {
  await fails(t, [at(0n, 'record-0.1-1'), at(1n, 'record-0.1-0')], /non-monotonic send/, new Ledger());
});

test('what a reader saw and is not there is told, and so is what is there instead', async (t) => {
  const one = new Ledger();
  for (const found of whole) one.read(found);
  await fails(t, whole.slice(0, 2), /aborted read: 1/, one);
  await fails(t, [...whole.slice(0, 2), at(2n, 'record-0.1-0')], /inconsistent offset: 0\/2 was read as/, one);
});

test('a reader that skips is told', (t) => {
  const one = new Ledger();
  one.read(at(0n, 'record-0.0-0'));
  one.read(at(2n, 'record-0.0-2'));
  t.regex(one.problems.join(), /0\/2 was read after 1/);
});

test('an acknowledgement without an offset is held against the partition alone', async (t) => {
  const one = new Ledger();
  one.acked(0, 'record-0.0-0', undefined);
  await t.notThrowsAsync(one.balance('a copy', whole));
  await fails(t, [{ partition: 1, offset: 0n, text: 'record-0.0-0' }], /acknowledged at 0, and is at 1/, one);
});
