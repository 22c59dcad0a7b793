import { hasReason } from '@moldau/kernel';
import test from 'ava';
import {
  checkMinIsr,
  checkTopicConfig,
  checkTopicName,
  effectiveTexts,
  minIsrOf,
  readTopicConfig,
  resolveTopicConfig,
  topicSettingKeys,
  topicSettings,
} from '../src/index.ts';

test('every default is possible, and every setting says what it is', (t) => {
  for (const key of topicSettingKeys) {
    const setting = topicSettings[key];
    t.notThrows(() => checkTopicConfig({ [key]: setting.default }), key);
    t.true(setting.doc.endsWith('.') && setting.expected.length > 0, key);
  }
});

test('values read in their units', (t) => {
  const config = readTopicConfig({ retention: '2h', 'segment.bytes': '64MiB', flush: 'interval', later: 'x' });
  t.is(config.retention, 7_200_000);
  t.is(config['segment.bytes'], 67_108_864);
  t.is(config.flush, 'interval');
  t.is(config['retention.bytes'], Number.POSITIVE_INFINITY);
  t.is(config['max.batch.bytes'], 1_048_576 + 65_536);
});

test('a refusal names the key, the value and what is expected', (t) => {
  const refused = (texts: Record<string, string>, fields: Record<string, string>): void => {
    const error = t.throws(() => checkTopicConfig(texts));
    t.true(hasReason(error, 'INVALID_CONFIG'));
    if (hasReason(error, 'INVALID_CONFIG')) t.like(error.fields, fields);
  };
  refused({ retention: 'soon' }, { key: 'retention', value: 'soon', expected: 'a duration from 1s to unlimited' });
  refused({ retention: '10ms' }, { key: 'retention', value: '10ms' });
  refused({ 'max.batch.bytes': '9MiB' }, { key: 'max.batch.bytes', expected: 'a size from 1KiB to 8256KiB' });
  refused({ flush: 'never' }, { key: 'flush', expected: 'one of fsync, interval' });
  refused({ 'min.insync.replicas': '0' }, { key: 'min.insync.replicas' });
  refused({ colour: 'blue' }, { key: 'colour' });
});

test('a refusal says how such a value is written', (t) => {
  t.throws(() => checkTopicConfig({ retention: '7days' }), {
    message:
      'retention can\'t be "7days": it is a duration from 1s to unlimited, written as a number with its unit, as in 500ms, 30s, 10m, 12h, 7d',
  });
  t.throws(() => checkTopicConfig({ 'segment.bytes': '16 megs' }), {
    message: /with its unit, as in 64KiB, 16MiB, 2GiB$/,
  });
  t.throws(() => checkTopicConfig({ flush: 'never' }), {
    message: 'flush can\'t be "never": it is one of fsync, interval',
  });
});

test('the topic comes before the cluster, and the cluster before the default', (t) => {
  const [topic, cluster] = [{ retention: '1h' }, { retention: '2h', flush: 'interval' }];
  const shown = new Map(
    resolveTopicConfig(topic, cluster).map(({ key, value, source }) => [key, `${value} ${source}`]),
  );
  t.is(shown.get('retention'), '1h topic');
  t.is(shown.get('flush'), 'interval cluster');
  t.is(shown.get('timestamp.type'), 'create default');
  t.is(effectiveTexts(topic, cluster)['flush.interval'], '1s');
});

test('min.insync.replicas is never more than there are replicas', (t) => {
  t.is(minIsrOf({}, {}, 1), 1);
  t.is(minIsrOf({}, {}, 3), 2);
  t.is(minIsrOf({ 'min.insync.replicas': '3' }, {}, 3), 3);
  t.is(minIsrOf({}, { 'min.insync.replicas': '1' }, 3), 1);
  t.throws(() => checkMinIsr({ 'min.insync.replicas': '3' }, 2), { message: /at most 2/ });
  t.notThrows(() => checkMinIsr({ 'min.insync.replicas': '3' }, 3));
});

test('names of topics', (t) => {
  for (const name of ['a', 'A.b_c-9', 'x'.repeat(249), '_a', 'a..b']) t.notThrows(() => checkTopicName(name), name);
  for (const name of ['', '.', '..', 'x'.repeat(250), 'a b', 'a/b', 'ä', '__a', 'a\n']) {
    t.throws(() => checkTopicName(name), { name: 'INVALID_REQUEST' }, JSON.stringify(name));
  }
});
