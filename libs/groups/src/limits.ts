import { faults, type Millis } from '@moldau/kernel';
import { assignorNames } from './assign/assignor.ts';
import type { MemberProfile, Subscription } from './group-records.ts';
import type { GroupId } from './ids.ts';
import type { Hello, NewOffset, Wish } from './requests.ts';
import { compileTopicRegex } from './subscriptions.ts';

/** What an operator may set. */
export interface GroupOptions {
  /** A member that is not heard for this long is dead. At least {@link limits.sessionTimeoutMsMin}. */
  readonly sessionTimeoutMs: Millis;
  /** Between two new assignments of one group, so that many that join at once are one rebalance. 0: each is one. */
  readonly assignmentIntervalMs: Millis;
  /** Offsets are kept for so long after the group became empty. */
  readonly offsetsRetentionMs: Millis;
  readonly membersMax: number;
}

export const defaultGroupOptions: GroupOptions = {
  sessionTimeoutMs: 45_000,
  assignmentIntervalMs: 100,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  membersMax: 2_000,
};

export const limits = {
  sessionTimeoutMsMin: 6_000,
  rebalanceTimeoutMsMin: 1_000,
  rebalanceTimeoutMsMax: 3_600_000,
  /** Of the ids of groups, members and instances, and of racks. */
  idBytesMax: 255,
  topicsMax: 1_000,
  topicNameBytesMax: 249,
  regexBytesMax: 512,
  /** Text of the application beside an offset. */
  metadataBytesMax: 4_096,
  offsetsMax: 10_000,
  /** That one group shares: who has them is one batch of the log, and takes up to 45 bytes of each. */
  partitionsMax: 100_000,
  /** Of one group: what deletes it is one batch of the log, and takes up to 45 bytes of each. */
  positionsMax: 150_000,
  /** Of all groups of one shard, whose owner has them in memory: some hundred bytes each. */
  shardPositionsMax: 500_000,
  /** Of one shard. */
  groupsMax: 20_000,
  /** Of all offsets of one commit: what a request changes is one batch of the log. */
  metadataBytesInAllMax: 256 * 1024,
} as const;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

function checkText(field: string, value: string, bytesMax: number): void {
  // Short enough without being encoded: most are.
  if (value.length * 3 > bytesMax && bytesOf(value) > bytesMax) {
    throw faults.invalidRequest(field, `is longer than ${bytesMax} bytes`);
  }
}

function checkId(field: string, value: string): void {
  if (value === '') throw faults.invalidRequest(field, 'is empty');
  checkText(field, value, limits.idBytesMax);
  if (/\p{Cc}/u.test(value)) throw faults.invalidRequest(field, 'has control characters');
}

/** A group that may be made by the request. */
export const checkGroupId = (group: GroupId): void => checkId('group', group);

/** What a Hello says of its member, checked: INVALID_REQUEST, INVALID_REGEX. */
export function profileOf(hello: Hello): MemberProfile {
  checkId('member_id', hello.member);
  if (hello.instance !== undefined) checkId('instance_id', hello.instance);
  checkText('rack', hello.rack, limits.idBytesMax);
  const { rebalanceTimeoutMs } = hello;
  if (!(rebalanceTimeoutMs >= limits.rebalanceTimeoutMsMin && rebalanceTimeoutMs <= limits.rebalanceTimeoutMsMax)) {
    throw faults.invalidRequest(
      'rebalance_timeout_ms',
      `is ${rebalanceTimeoutMs}: from ${limits.rebalanceTimeoutMsMin} to ${limits.rebalanceTimeoutMsMax}`,
    );
  }
  return { instance: hello.instance, rack: hello.rack, rebalanceTimeoutMs, ...subscriptionOf(hello) };
}

/** A wish, checked and in its one form: INVALID_REQUEST, INVALID_REGEX. */
export function subscriptionOf({ topics, regex, assignor }: Wish): Subscription {
  if (topics.length > limits.topicsMax) {
    throw faults.invalidRequest('topics', `are ${topics.length}: at most ${limits.topicsMax}, or a regular expression`);
  }
  for (const topic of topics) checkText('topics', topic, limits.topicNameBytesMax);
  if (regex !== undefined) {
    if (bytesOf(regex) > limits.regexBytesMax) {
      throw faults.invalidRegex(regex.slice(0, 40), `it is longer than ${limits.regexBytesMax} bytes`);
    }
    compileTopicRegex(regex);
  }
  const known = assignorNames.find((name) => name === assignor);
  if (assignor !== undefined && known === undefined) {
    throw faults.invalidRequest('assignor', `is ${JSON.stringify(assignor)}: one of ${assignorNames.join(', ')}`);
  }
  return { topics: [...new Set(topics)].sort(), regex, assignor: known };
}

/** The whole of a commit or seek. */
export function checkOffsets(offsets: readonly NewOffset[]): void {
  if (offsets.length > limits.offsetsMax) {
    throw faults.invalidRequest('offsets', `are ${offsets.length}: at most ${limits.offsetsMax}`);
  }
  const metadataBytes = offsets.reduce((sum, { metadata }) => sum + (metadata === '' ? 0 : bytesOf(metadata)), 0);
  if (metadataBytes > limits.metadataBytesInAllMax) {
    const problem = `has ${metadataBytes} bytes in all: at most ${limits.metadataBytesInAllMax} in one commit`;
    throw faults.invalidRequest('metadata', problem);
  }
}

export const checkMetadata = ({ metadata }: NewOffset): void =>
  checkText('metadata', metadata, limits.metadataBytesMax);
