import test from 'ava';
import fc from 'fast-check';
import {
  formatBytes,
  formatDuration,
  parseBoolean,
  parseBytes,
  parseDuration,
  parseInteger,
  parseOneOf,
  ValueError,
  within,
} from '../src/values.ts';

test('durations are read with their unit', (t) => {
  t.is(parseDuration('10ms'), 10);
  t.is(parseDuration('1.5s'), 1500);
  t.is(parseDuration('7d'), 604_800_000);
  t.is(parseDuration('2w'), 1_209_600_000);
  t.is(parseDuration('0s'), 0);
  t.is(parseDuration('unlimited'), Number.POSITIVE_INFINITY);
});

test('a duration without a unit is refused, with the form', (t) => {
  for (const text of ['10', '', '7 days', '-1s', 'd', '1e3s', '99999999999999999d']) {
    const error = t.throws(() => parseDuration(text), { instanceOf: ValueError });
    t.regex(error.expected, /500ms, 30s/);
  }
});

test('sizes are read in binary units, or as bytes', (t) => {
  t.is(parseBytes('64MiB'), 67_108_864);
  t.is(parseBytes('64mib'), 67_108_864);
  t.is(parseBytes('512'), 512);
  t.is(parseBytes('0.5KiB'), 512);
  t.throws(() => parseBytes('64MB'), { instanceOf: ValueError });
  t.throws(() => parseBytes('lots'), { message: /"lots" is not a size/ });
});

test('what is written can be read again', (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 }), (n) => {
      t.is(parseDuration(formatDuration(n)), n);
      t.is(parseBytes(formatBytes(n)), n);
    }),
    { seed: 1 },
  );
  t.is(formatDuration(604_800_000), '1w');
  t.is(formatDuration(90_000), '90s');
  t.is(formatDuration(0), '0ms');
  t.is(formatBytes(67_108_864), '64MiB');
  t.is(formatBytes(Number.POSITIVE_INFINITY), 'unlimited');
});

test('numbers, words and bounds', (t) => {
  t.is(parseInteger('-3'), -3);
  t.throws(() => parseInteger('3.5'), { message: /whole number/ });
  t.true(parseBoolean('TRUE'));
  t.throws(() => parseBoolean('yes'), { message: /true or false/ });
  t.is(parseOneOf(['zstd', 'none'], 'zstd'), 'zstd');
  t.throws(() => parseOneOf(['zstd', 'none'], 'gzip'), { message: /one of zstd, none/ });
  t.is(within(5, 1, 10, formatDuration), 5);
  t.throws(() => within(50_000, 1_000, 10_000, formatDuration), { message: '"50s" is not between 1s and 10s' });
});
