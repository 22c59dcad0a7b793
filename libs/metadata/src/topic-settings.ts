import {
  bytesForm,
  durationForm,
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
  parseInteger,
  parseOneOf,
  within,
} from '@moldau/config';

/** One setting of a topic. `V` is what it reads as. */
export interface TopicSetting<V> {
  readonly default: string;
  readonly doc: string;
  /** Which values are possible, as people read it. */
  readonly expected: string;
  /** How such a value is written, where that does not say it all. */
  readonly form?: string;
  /** Throws ValueError. */
  parse(text: string): V;
}

type Bounds = { readonly default: string; readonly min: string; readonly max: string; readonly doc: string };

type Quantity = { parse: (text: string) => number; format: (value: number) => string; form?: string };

function quantity({ parse, format, form }: Quantity, what: string, bounds: Bounds): TopicSetting<number> {
  const [min, max] = [parse(bounds.min), parse(bounds.max)];
  return {
    default: bounds.default,
    doc: bounds.doc,
    expected: `${what} from ${bounds.min} to ${bounds.max}`,
    ...(form !== undefined && { form }),
    parse: (text) => within(parse(text), min, max, format),
  };
}

const duration = (bounds: Bounds): TopicSetting<number> =>
  quantity({ parse: parseDuration, format: formatDuration, form: durationForm }, 'a duration', bounds);
const bytes = (bounds: Bounds): TopicSetting<number> =>
  quantity({ parse: parseBytes, format: formatBytes, form: bytesForm }, 'a size', bounds);
const integer = (bounds: Bounds): TopicSetting<number> =>
  quantity({ parse: parseInteger, format: String }, 'a number', bounds);

const choice = <const T extends string>(
  choices: readonly [T, ...T[]],
  { default: byDefault, doc }: { default: T; doc: string },
): TopicSetting<T> => ({
  default: byDefault,
  doc,
  expected: `one of ${choices.join(', ')}`,
  parse: (text) => parseOneOf(choices, text),
});

/** Every setting that a topic has. Its keys are stable: they stand in the store and in users' scripts. */
export const topicSettings = {
  cleanup: choice(['delete', 'compact', 'compact,delete'], {
    default: 'delete',
    doc: 'How old records go: by age and size, by newer records of the same key (records without a key go, too), or by both.',
  }),
  'delete.retention': duration({
    default: '1d',
    min: '0ms',
    max: '52w',
    doc: 'With compaction: how long a tombstone, a record without a value, is kept once the older records of its key are gone. Whoever reads from the start within this time learns what was deleted.',
  }),
  retention: duration({
    default: '7d',
    min: '1s',
    max: 'unlimited',
    doc: 'Records older than this go, a whole segment at a time. Not with cleanup = compact.',
  }),
  'retention.bytes': bytes({
    default: 'unlimited',
    min: '1MiB',
    max: 'unlimited',
    doc: 'A partition that takes more gives up its oldest segments. Not with cleanup = compact.',
  }),
  'segment.bytes': bytes({
    default: '1GiB',
    min: '64KiB',
    max: '2GiB',
    doc: 'A log file that has reached this size is closed, and the next one begun.',
  }),
  'segment.age': duration({
    default: '7d',
    min: '1s',
    max: '52w',
    doc: 'A log file is closed after this time even when it is small, so that retention and compaction can reach it.',
  }),
  flush: choice(['fsync', 'interval'], {
    default: 'fsync',
    doc: 'When an append counts as durable: once it is synced to disk, or once it is written, with a sync now and then.',
  }),
  'flush.interval': duration({
    default: '1s',
    min: '10ms',
    max: '10m',
    doc: 'With flush = interval: the longest time between an append and its sync.',
  }),
  'max.batch.bytes': bytes({
    default: '1088KiB',
    min: '1KiB',
    max: '8256KiB',
    doc: 'The largest record batch: a record of 1 MiB with its keys and headers by default.',
  }),
  'timestamp.type': choice(['create', 'append'], {
    default: 'create',
    doc: "Which time a record carries: its producer's, or that of the append.",
  }),
  'timestamp.ahead.max': duration({
    default: '1h',
    min: '0ms',
    max: 'unlimited',
    doc: "How far a producer's time may be ahead of the leader's clock.",
  }),
  'min.insync.replicas': integer({
    default: '2',
    min: '1',
    max: '7',
    doc: 'In-sync replicas that an append with acks = all needs; never more than the topic has replicas.',
  }),
  recovery: choice(['wait', 'longest'], {
    default: 'wait',
    doc: 'When no replica that has everything acknowledged can lead: wait for one, or let the longest copy that is there lead, which may lose data.',
  }),
  'replica.lag.max': duration({
    default: '10s',
    min: '1s',
    max: '10m',
    doc: 'A follower that has not acknowledged for this long what the leader held leaves the in-sync replicas.',
  }),
  'producer.expiry': duration({
    default: '1d',
    min: '1m',
    max: '52w',
    doc: 'A producer that has written nothing for this time is forgotten, and with it what makes its retries safe.',
  }),
} as const satisfies Record<string, TopicSetting<unknown>>;

export type TopicSettings = typeof topicSettings;
export type TopicSettingKey = keyof TopicSettings;
