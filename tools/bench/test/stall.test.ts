import test from 'ava';
import { failWhenStalled } from '../src/streams/stall.ts';

test('a count that does not grow is said, and not after the end', async (t) => {
  const stalled = failWhenStalled(() => 7, 'consume', 5);
  await t.throwsAsync(stalled.failed, { message: 'consume: nothing has come after 7 records' });
  stalled.stop();
  let count = 0;
  const going = failWhenStalled(() => (count += 1), 'consume', 5);
  going.failed.catch(() => t.fail());
  while (count < 3) await new Promise(setImmediate);
  going.stop();
  t.pass();
});
