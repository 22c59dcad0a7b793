import { StartError } from '@moldau/kernel';
import test from 'ava';
import { defineConfig, resolve } from '../src/config.ts';
import { boolean, bytes, duration, integer, oneOf, optional, text } from '../src/fields.ts';
import { describeConfig, renderTable } from '../src/table.ts';

const schema = defineConfig({
  'node.id': integer({ min: 1, max: 1_000_000, doc: 'Who this node is.' }),
  'log.segment.bytes': bytes({ default: '64MiB', min: '1MiB', max: '1GiB', doc: 'A segment is closed at this size.' }),
  'replica.lag.max': duration({ default: '10s', min: '1s', max: '10m', doc: 'How far | a follower may lag.' }),
  'log.level': oneOf(['info', 'debug'], { default: 'info', doc: 'What is logged.' }),
  'auth.token': optional(
    text({ doc: 'What clients must show.', secret: true, pattern: /^.{8,}$/, form: '8 characters or more' }),
  ),
  'listen.host': text({ default: '127.0.0.1', doc: 'Where to listen.' }),
  'tls.enabled': boolean({ default: false, doc: 'Whether to encrypt.' }),
});

const problemsOf = (run: () => unknown): string[] => {
  try {
    run();
  } catch (error) {
    if (error instanceof StartError) return error.message.split('\n  ').slice(1);
    throw error;
  }
  return [];
};

test('a flag wins over the environment, that over the file, that over the default', (t) => {
  const { values, sources } = resolve(schema, {
    flags: { 'node.id': '3' },
    environment: { MOLDAU_NODE_ID: '4', MOLDAU_REPLICA_LAG_MAX: '30s', HOME: '/root' },
    file: { path: 'dev.conf', values: { 'replica.lag.max': '1m', 'log.level': 'debug' } },
  });
  t.is(values['node.id'], 3);
  t.is(values['replica.lag.max'], 30_000);
  t.is(values['log.level'], 'debug');
  t.is(values['log.segment.bytes'], 67_108_864);
  t.is(values['auth.token'], undefined);
  t.like(sources, {
    'node.id': 'flag',
    'replica.lag.max': 'environment',
    'log.level': 'file',
    'tls.enabled': 'default',
  });
  t.true(Object.isFrozen(values));
  const typed: 'info' | 'debug' = values['log.level'];
  t.truthy(typed);
});

test('everything that is wrong is said at once', (t) => {
  const problems = problemsOf(() =>
    resolve(schema, {
      unknownFlags: ['--log-segment-size', '--node.idd'],
      environment: { MOLDAU_REPLICA_LAG_MXA: '1s', MOLDAU_LOG_SEGMENT_BYTES: '1KiB', MOLDAU_TEST_SEED: '1' },
      file: { path: 'dev.conf', values: { 'log.level': 'loud', 'tls.enabled': 'yes', x: '1' } },
    }),
  );
  t.deepEqual(problems, [
    '--log-segment-size is unknown',
    '--node.idd is unknown: is it --node-id?',
    'MOLDAU_REPLICA_LAG_MXA is unknown: is it MOLDAU_REPLICA_LAG_MAX?',
    'MOLDAU_TEST_SEED is unknown',
    'x in dev.conf is unknown',
    'node.id must be set: as --node-id or MOLDAU_NODE_ID',
    'log.segment.bytes from MOLDAU_LOG_SEGMENT_BYTES: "1KiB" is not between 1MiB and 1GiB',
    'log.level from dev.conf: "loud" is not one of info, debug',
    'tls.enabled from dev.conf: "yes" is not true or false',
  ]);
  t.deepEqual(
    problemsOf(() =>
      resolve(schema, { flags: { 'node.id': '1' }, environment: { MOLDAU_TEST_SEED: '1' } }, ['MOLDAU_TEST_SEED']),
    ),
    [],
  );
});

test('a secret is never shown', (t) => {
  const [problem] = problemsOf(() => resolve(schema, { flags: { 'node.id': '1', 'auth.token': 'short' } }));
  t.is(problem, 'auth.token from --auth-token: "***" is not 8 characters or more');
  const config = resolve(schema, { flags: { 'node.id': '1', 'auth.token': 'long enough' } });
  t.is(describeConfig(schema, config)['auth.token'], '*** (flag)');
  t.is(describeConfig(schema, config)['node.id'], '1 (flag)');
});

test('two keys that share a variable are refused', (t) => {
  const field = boolean({ default: false, doc: '' });
  t.throws(() => defineConfig({ 'a.b-c': field, 'a.b.c': field }), { message: /MOLDAU_A_B_C/ });
});

test('the table shows everything a user must know', (t) => {
  const lines = renderTable(schema).split('\n');
  t.is(lines[0], '| Setting | Variable | Type | Default | Bounds | Meaning |');
  t.is(lines[2], '| `node.id` | `MOLDAU_NODE_ID` | integer | must be set | from 1 to 1000000 | Who this node is. |');
  t.regex(lines[3] ?? '', /\| bytes \| `64MiB` \| from 1MiB to 1GiB \|/);
  t.regex(lines[4] ?? '', /How far \\\| a follower may lag/);
  t.regex(lines[6] ?? '', /\| text \| – \| 8 characters or more \|/);
});

test('a default outside its own bounds is refused when it is written', (t) => {
  t.throws(() => duration({ default: '1h', min: '1s', max: '1m', doc: '' }), { message: /between 1s and 1m/ });
});
