import test from 'ava';
import { parsePlace, parsePlaceRange } from '../src/place-range.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const hour = 3_600_000;

const forms: Readonly<Record<string, ReturnType<typeof parsePlaceRange>>> = {
  start: { from: 'start', until: undefined },
  end: { from: 'end', until: undefined },
  '5': { from: { offset: 5n }, until: undefined },
  '-5': { from: { beforeEnd: 5n }, until: undefined },
  '5:9': { from: { offset: 5n }, until: { offset: 9n } },
  ':9': { from: 'start', until: { offset: 9n } },
  '5:': { from: { offset: 5n }, until: 'end' },
  'start:end': { from: 'start', until: 'end' },
  '-10:end': { from: { beforeEnd: 10n }, until: 'end' },
  '@1700000000000': { from: { timestamp: 1_700_000_000_000 }, until: undefined },
  '@-1h': { from: { timestamp: now - hour }, until: undefined },
  '@-2h:@-1h': { from: { timestamp: now - 2 * hour }, until: { timestamp: now - hour } },
  '@-1h:end': { from: { timestamp: now - hour }, until: 'end' },
  '@2026-11-22T08:00:00Z': { from: { timestamp: now - 4 * hour }, until: undefined },
  '@2026-11-22T08:00Z:@2026-11-22T09:00Z': {
    from: { timestamp: now - 4 * hour },
    until: { timestamp: now - 3 * hour },
  },
  '@2026-11-22T08:00:00Z:end': { from: { timestamp: now - 4 * hour }, until: 'end' },
};

for (const [text, expected] of Object.entries(forms)) {
  test(`position ${text}`, (t) => t.deepEqual(parsePlaceRange(text, now), expected));
}

for (const text of ['begin', '1.5', '@', '@yesterday', '@-1', '--5', 'start:x', '5:9:10']) {
  test(`no position: ${text}`, (t) => {
    const error = t.throws(() => parsePlaceRange(text, now));
    t.regex(error.message, /is no (position|time): use|is not a duration/);
  });
}

test('one place is no range', (t) => {
  t.throws(() => parsePlace('1:2', now), { message: /is no position/ });
});
