import { ValueError } from '@moldau/config';
import { MoldauError } from '@moldau/kernel';
import { type TopicSetting, type TopicSettingKey, type TopicSettings, topicSettings } from './topic-settings.ts';

/** Settings as they are stored and sent: text by key. */
export type ConfigTexts = Readonly<Record<string, string>>;

/** A topic's settings as values: milliseconds, bytes (Infinity: unlimited), words. */
export type TopicConfig = { readonly [K in TopicSettingKey]: ReturnType<TopicSettings[K]['parse']> };

export interface ResolvedSetting {
  readonly key: TopicSettingKey;
  readonly value: string;
  readonly source: 'topic' | 'cluster' | 'default';
  readonly doc: string;
  readonly expected: string;
}

export const topicSettingKeys = Object.keys(topicSettings) as readonly TopicSettingKey[];

const invalidConfig = (key: string, value: string, expected: string, message: string): MoldauError =>
  new MoldauError('INVALID_CONFIG', message, { key, value, expected });

/** Refuses unknown keys with INVALID_CONFIG. */
export function checkTopicKey(key: string): TopicSettingKey {
  const known = topicSettingKeys.find((candidate) => candidate === key);
  if (known !== undefined) return known;
  const expected = `one of ${topicSettingKeys.join(', ')}`;
  throw invalidConfig(key, '', expected, `no topic setting ${JSON.stringify(key)}: ${expected}`);
}

/** The settings that a user gave, as they are stored and shown. Refuses with INVALID_CONFIG: key, value, expected. */
export function checkTopicConfig(texts: ConfigTexts): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [key, text] of Object.entries(texts)) {
    const known = checkTopicKey(key);
    attempt<unknown>(known, text, topicSettings[known].parse);
    checked[known] = text.trim();
  }
  return checked;
}

function attempt<V>(key: TopicSettingKey, text: string, read: (text: string) => V): V {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const { expected, form }: TopicSetting<unknown> = topicSettings[key];
    const wanted = form === undefined ? expected : `${expected}, written as ${form}`;
    throw invalidConfig(key, text, expected, `${key} can't be ${JSON.stringify(text)}: it is ${wanted}`);
  }
}

/** Every setting in force, and where it comes from. */
export function resolveTopicConfig(topic: ConfigTexts, cluster: ConfigTexts): ResolvedSetting[] {
  return topicSettingKeys.map((key) => {
    const { doc, expected, default: byDefault } = topicSettings[key];
    const own = topic[key];
    if (own !== undefined) return { key, value: own, source: 'topic', doc, expected };
    const shared = cluster[key];
    if (shared !== undefined) return { key, value: shared, source: 'cluster', doc, expected };
    return { key, value: byDefault, source: 'default', doc, expected };
  });
}

/** The settings in force as text: what a node is sent. */
export const effectiveTexts = (topic: ConfigTexts, cluster: ConfigTexts): Record<string, string> =>
  Object.fromEntries(resolveTopicConfig(topic, cluster).map(({ key, value }) => [key, value]));

/** Reads settings in force. A key that is missing has its default; one that this program does not know is ignored. */
export function readTopicConfig(texts: ConfigTexts): TopicConfig {
  const read = <K extends TopicSettingKey>(key: K): TopicConfig[K] => {
    const setting: TopicSetting<unknown> = topicSettings[key];
    return attempt(key, texts[key] ?? setting.default, setting.parse) as TopicConfig[K];
  };
  return Object.fromEntries(topicSettingKeys.map((key) => [key, read(key)])) as TopicConfig;
}

/** min.insync.replicas in force for a topic of so many replicas: never more than those. */
export function minIsrOf(topic: ConfigTexts, cluster: ConfigTexts, replicas: number): number {
  const key = 'min.insync.replicas';
  const setting = topicSettings[key];
  return Math.min(attempt(key, topic[key] ?? cluster[key] ?? setting.default, setting.parse), replicas);
}

/** What a partition of the topic does when nobody who has everything can lead. */
export function recoveryOf(topic: ConfigTexts, cluster: ConfigTexts): TopicConfig['recovery'] {
  const { default: byDefault, parse } = topicSettings.recovery;
  return attempt('recovery', topic.recovery ?? cluster.recovery ?? byDefault, parse);
}

/** Refuses a topic's own min.insync.replicas above its replicas: no append with acks = all could ever succeed. */
export function checkMinIsr(topic: ConfigTexts, replicas: number): void {
  const own = topic['min.insync.replicas'];
  if (own === undefined || Number(own) <= replicas) return;
  const expected = `at most ${replicas}, the topic's replicas`;
  throw invalidConfig('min.insync.replicas', own, expected, `min.insync.replicas can't be ${own}: it is ${expected}`);
}
