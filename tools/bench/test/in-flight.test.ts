import test from 'ava';
import { InFlight } from '../src/streams/in-flight.ts';

test('there is room until so many are under way, and again when one is done', async (t) => {
  const inFlight = new InFlight(2);
  inFlight.start();
  t.false(inFlight.isFull);
  inFlight.start();
  t.true(inFlight.isFull);
  const room = inFlight.room();
  inFlight.done();
  await room;
  const none = inFlight.none();
  inFlight.done();
  await none;
  t.false(inFlight.isFull);
});

test('one that fails is said to whoever waits, now and later', async (t) => {
  const inFlight = new InFlight(1);
  inFlight.track(Promise.reject(new Error('refused')));
  await t.throwsAsync(inFlight.room(), { message: 'refused' });
  await t.throwsAsync(inFlight.none(), { message: 'refused' });
});
