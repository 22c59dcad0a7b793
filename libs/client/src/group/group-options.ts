import { faults } from '@moldau/kernel';
import { type Bounds, bytesWithin, msWithin } from '../bounds.ts';
import type { Codec } from '../codec.ts';
import { checkOptionNames, checkTopics, type OptionNames } from '../option-names.ts';
import { checkPlace, type Place } from '../place.ts';
import type { Duration, Size } from '../quantities.ts';
import type { MemberOptions } from './member-session.ts';

/** What a member of a group reads, and how it behaves in it. */
export interface GroupConsumerOptions<K, V> {
  /** The group: whoever names it shares its partitions. */
  readonly group: string;
  /** Topics by name. One that does not exist yet is waited for. */
  readonly topics?: readonly string[];
  /** More topics, by regular expression (RE2: no lookaround and no back references), evaluated by the server. */
  readonly pattern?: RegExp | string;
  /** Where a partition begins for which the group has committed nothing. Default: the end. */
  readonly from?: Place;
  readonly key?: Codec<K>;
  readonly value?: Codec<V>;
  /** Memory for records that were not asked for yet. Default 16 MiB. */
  readonly buffer?: Size;
  /** How often what is done is committed by itself. `manual`: never. Default 5 s. */
  readonly commit?: Duration | 'manual';
  /** Static membership: who comes back under this name within the session has its partitions again, with no rebalance. */
  readonly instanceId?: string;
  /** Partitions with a copy in this rack are preferred. */
  readonly rack?: string;
  /** How the group shares its partitions. Default: the group's, which is `uniform`. */
  readonly assignor?: 'uniform' | 'range';
  /** A member that has not given up what it was asked to in this time is removed. Default 60 s, or `revokeTimeout` and 30 s more. */
  readonly rebalanceTimeout?: Duration;
  /**
   * How long records that are being handled are waited for when their partition is to be given up. Default 30 s, or half of
   * `rebalanceTimeout` where that is less.
   */
  readonly revokeTimeout?: Duration;
}

const bounds = {
  buffer: [1, 2 ** 40],
  commit: [1, 3_600_000],
  rebalanceTimeout: [1_000, 3_600_000],
  revokeTimeout: [0, 3_600_000],
} as const satisfies Readonly<Record<string, Bounds>>;

const names: OptionNames<GroupConsumerOptions<unknown, unknown>> = {
  ...{ group: true, topics: true, pattern: true, from: true, key: true, value: true, buffer: true, commit: true },
  ...{ instanceId: true, rack: true, assignor: true, rebalanceTimeout: true, revokeTimeout: true },
};

/** Options as they are meant. */
export interface GroupSettings {
  readonly member: MemberOptions;
  readonly from: Place;
  readonly bufferBytes: number;
  /** `undefined`: by hand. */
  readonly commitEveryMs: number | undefined;
  readonly revokeTimeoutMs: number;
}

/** Throws INVALID_REQUEST, which names the option. */
export function groupSettings(options: GroupConsumerOptions<unknown, unknown>): GroupSettings {
  checkOptionNames('a consumer in a `group`', options, names);
  const { group, topics = [], pattern, from = 'end', instanceId, rack = '', assignor = '', commit = '5s' } = options;
  if (typeof group !== 'string' || group === '') throw faults.invalidRequest('group', 'is no name: give it one');
  checkTopics(topics);
  if (topics.length === 0 && pattern === undefined)
    throw faults.invalidRequest('topics', 'are missing: name one at least, or give a `pattern`');
  checkPlace('from', from);
  const { rebalanceTimeoutMs, revokeTimeoutMs } = timeoutsOf(options);
  return {
    member: { group, topics, topicRegex: regexOf(pattern), instanceId, rack, assignor, rebalanceTimeoutMs },
    from,
    bufferBytes: bytesWithin('buffer', options.buffer ?? '16MiB', bounds.buffer),
    commitEveryMs: commit === 'manual' ? undefined : msWithin('commit', commit, bounds.commit),
    revokeTimeoutMs,
  };
}

/** Whoever waits for its handlers as long as it may must not be removed for it. */
function timeoutsOf({ rebalanceTimeout, revokeTimeout }: GroupConsumerOptions<unknown, unknown>) {
  const [, rebalanceMaxMs] = bounds.rebalanceTimeout;
  const revoke =
    revokeTimeout === undefined ? undefined : msWithin('revokeTimeout', revokeTimeout, bounds.revokeTimeout);
  const rebalanceTimeoutMs =
    rebalanceTimeout === undefined
      ? Math.min(rebalanceMaxMs, Math.max(60_000, (revoke ?? 0) + 30_000))
      : msWithin('rebalanceTimeout', rebalanceTimeout, bounds.rebalanceTimeout);
  const revokeTimeoutMs = revoke ?? Math.min(30_000, rebalanceTimeoutMs / 2);
  if (revokeTimeoutMs > rebalanceTimeoutMs)
    throw faults.invalidRequest(
      'revokeTimeout',
      `is ${revokeTimeout}: not longer than rebalanceTimeout, ${rebalanceTimeout}`,
    );
  return { rebalanceTimeoutMs, revokeTimeoutMs };
}

function regexOf(pattern: RegExp | string | undefined): string | undefined {
  if (!(pattern instanceof RegExp)) return pattern;
  if (/[^u]/.test(pattern.flags)) {
    throw faults.invalidRequest('pattern', `has the flags ${pattern.flags}: write them into it, as in (?i)`);
  }
  return pattern.source;
}
