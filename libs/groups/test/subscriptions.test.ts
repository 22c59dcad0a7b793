import { type TopicId, topicId } from '@moldau/kernel';
import test from 'ava';
import { compileTopicRegex, Subscriptions } from '../src/subscriptions.ts';
import { fingerprint, TopicsView } from '../src/topics.ts';
import { topicOf } from './support/model-shard.ts';

const none = () => new Set<TopicId>();
const topics = new TopicsView([
  topicOf('orders', 2),
  topicOf('orders.eu', 1),
  topicOf('payments', 3),
  topicOf('__groups', 16),
]);
const select = (names: readonly string[], regex?: string): string[] =>
  new Subscriptions(topics).select({ topics: names, regex, assignor: undefined }, none).map(({ name }) => name);

test('topics are selected by name and by an expression that matches all of it, each once', (t) => {
  t.deepEqual(select(['payments', 'unknown']), ['payments']);
  t.deepEqual(select([], 'orders'), ['orders']);
  t.deepEqual(select([], 'orders.*'), ['orders', 'orders.eu']);
  t.deepEqual(select(['orders', 'payments'], 'o.*'), ['orders', 'orders.eu', 'payments']);
  t.deepEqual(select([], '.*'), ['orders', 'orders.eu', 'payments'], 'topics of the system only by name');
  t.deepEqual(select(['__groups']), ['__groups']);
});

test('equal subscriptions get one list', (t) => {
  const subscriptions = new Subscriptions(topics);
  const wish = { topics: ['orders'], regex: 'p.*', assignor: undefined };
  t.is(subscriptions.select(wish, none), subscriptions.select({ ...wish, topics: ['orders'] }, none));
});

test('what is no expression, looks around, or unfolds too far is refused', (t) => {
  for (const regex of ['(', '[a', '(?=a)', 'a{2000}', '(a{100}){100}', '(\\1)']) {
    t.throws(() => compileTopicRegex(regex), { name: 'INVALID_REGEX' }, regex);
  }
});

test('an expression that others take exponential time for takes little', (t) => {
  const matches = compileTopicRegex('(a*)*(a|aa)+b');
  const start = performance.now();
  for (let i = 0; i < 100; i += 1) t.false(matches('a'.repeat(249)));
  t.true(performance.now() - start < 2_000);
});

test('the fingerprint is of ids and partitions, in any order', (t) => {
  const [a, b] = [topicOf('a', 1), topicOf('b', 2)];
  t.is(fingerprint([a, b]), fingerprint([b, a, a]));
  t.not(fingerprint([a, b]), fingerprint([a]));
  t.not(fingerprint([a, b]), fingerprint([a, topicOf('b', 3)]));
  t.is(fingerprint([a]), fingerprint([{ ...a, racks: [['r']] }]), 'not of racks');
});

test('of too many partitions those of topics that a group has already come first, and none is taken from it', (t) => {
  const view = (topics: readonly [string, number][]) =>
    new Subscriptions(new TopicsView(topics.map(([name, partitions]) => topicOf(name, partitions))));
  const wish = { topics: [], regex: '.*', assignor: undefined };
  const has = () => new Set([topicId('b'), topicId('c')]);
  const shares = (topics: readonly [string, number][]): string =>
    view(topics)
      .select(wish, has)
      .map(({ name, partitions }) => `${name} ${partitions}`)
      .join(', ');
  t.is(
    shares([
      ['b', 60_000],
      ['c', 30_000],
      ['d', 10_000],
    ]),
    'b 60000, c 30000, d 10000',
  );
  t.is(
    shares([
      ['a', 50_000],
      ['b', 60_000],
      ['c', 30_000],
    ]),
    'a 10000, b 60000, c 30000',
  );
  t.is(
    shares([
      ['a', 5],
      ['b', 60_000],
      ['c', 60_000],
    ]),
    'b 60000, c 40000',
  );
  t.throws(
    () =>
      view([
        ['b', 60_000],
        ['c', 60_000],
      ]).check([wish]),
    { message: /hold more than 100000 partitions/ },
  );
});
