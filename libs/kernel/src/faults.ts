import { type ErrorFields, MoldauError } from './errors.ts';
import type { LeaderEpoch, NodeId, Offset } from './ids.ts';

// One function a fault that more than one room raises: the sentence a user reads stands in one place.

export const notLeader = (partition: string, leader: NodeId | undefined, epoch: LeaderEpoch | undefined): MoldauError =>
  new MoldauError(
    'NOT_LEADER',
    leader === undefined
      ? `${partition} has no leader now: retry, or look at \`moldau cluster health\``
      : `${partition} is led by node ${leader}: refresh the metadata and go there`,
    { leader, leader_epoch: epoch },
  );

export const offsetOutOfRange = (asked: bigint, start: Offset, end: Offset): MoldauError =>
  new MoldauError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${asked} is outside ${start}…${end}: read from the start, the end, or an offset in between`,
    { offset: asked, start, end },
  );

export const unknownTopic = (topic: string): MoldauError =>
  new MoldauError('UNKNOWN_TOPIC', `no topic ${JSON.stringify(topic)}: create it, or check the name`, { topic });

export const unknownPartition = (topic: string, partition: number, partitions: number): MoldauError =>
  new MoldauError(
    'UNKNOWN_PARTITION',
    `topic ${JSON.stringify(topic)} has no partition ${partition}: it has ${partitions}, counted from 0`,
    { topic, partition, partitions },
  );

export const invalidRequest = (field: string, problem: string): MoldauError =>
  new MoldauError('INVALID_REQUEST', `${field} ${problem}`, { field, problem });

export const corruptBatch = (problem: string, fields: ErrorFields = {}): MoldauError =>
  new MoldauError('CORRUPT_BATCH', `refused a damaged record batch: ${problem}`, { ...fields, problem });

export const corruptData = (partition: string, from: bigint, to: bigint): MoldauError =>
  new MoldauError(
    'CORRUPT_DATA',
    `${partition} is damaged on disk from offset ${from} to ${to}: read around it, or restore that range`,
    { from, to },
  );

export const notServing = (what: string, state: string): MoldauError =>
  new MoldauError('NOT_SERVING', `${what} is ${state}: retry`, { state });

export const overloaded = (limit: string, limitBytes: number): MoldauError =>
  new MoldauError('OVERLOADED', `${limit} is full (${limitBytes} bytes): retry more slowly`, {
    limit,
    limit_bytes: limitBytes,
  });

/** The shard that a group belongs to has as much as it takes. */
export const shardFull = (what: 'groups' | 'positions', max: number): MoldauError =>
  new MoldauError('OVERLOADED', `the shard of this group has ${max} ${what}, which is all it takes: delete groups`, {
    limit: what,
    max,
  });

/** `outcome`: what is known of what took too long. */
export const timedOut = (
  what: string,
  timeoutMs: number,
  outcome: 'UNKNOWN' | 'NOT_WRITTEN' = 'UNKNOWN',
): MoldauError =>
  new MoldauError(
    'TIMED_OUT',
    `${what} took longer than ${timeoutMs} ms: ${outcome === 'UNKNOWN' ? 'its outcome is unknown' : 'it is not written'}`,
    { timeout_ms: timeoutMs },
  );

/** A session has ended before everything that was sent on it was answered. */
export const lostSession = (address: string, cause?: unknown): MoldauError =>
  new MoldauError(
    'UNREACHABLE',
    `lost the session with ${address}: what was in flight may be written`,
    { address },
    { cause },
  );

export const internalTopic = (topic: string, action: string): MoldauError =>
  new MoldauError(
    'PERMISSION_DENIED',
    `topic ${JSON.stringify(topic)} belongs to the system: nobody else may ${action} it`,
    { action },
  );

/** `token`: the writer's own; undefined: it has none, which is lower than any. */
export const fencedToken = (partition: string, token: bigint | undefined, current: bigint): MoldauError =>
  new MoldauError(
    'FENCED_TOKEN',
    token === undefined
      ? `${partition} is written to under fencing token ${current}, and this writer has none: it belongs to somebody else`
      : `${partition} is written to under fencing token ${current}, and this writer has ${token}: a newer one has taken over, this one must end`,
    { token, current_token: current },
  );

export const unimplemented = (method: string): MoldauError =>
  new MoldauError('UNIMPLEMENTED', `${method} is not served by this process`, { method });

export const unknownGroup = (group: string): MoldauError =>
  new MoldauError('UNKNOWN_GROUP', `no group ${JSON.stringify(group)}: check the name, or \`moldau group list\``, {
    group,
  });

export const unknownMember = (group: string, member: string): MoldauError =>
  new MoldauError(
    'UNKNOWN_MEMBER',
    `group ${JSON.stringify(group)} has no member ${JSON.stringify(member)}: its session ended, or it left; join anew`,
    { group, member },
  );

/** Of a member that knows by its own clock. */
export const sessionOver = (group: string): MoldauError =>
  new MoldauError(
    'UNKNOWN_MEMBER',
    `the session in group ${JSON.stringify(group)} is over: what was read comes again, to whoever has the partitions now`,
    { group },
  );

export const fencedMember = (group: string, member: string, problem: string): MoldauError =>
  new MoldauError(
    'FENCED_MEMBER',
    `member ${JSON.stringify(member)} of group ${JSON.stringify(group)} is fenced: ${problem}; join anew with another member id`,
    { group, member, problem },
  );

export const fencedInstance = (group: string, instance: string): MoldauError =>
  new MoldauError(
    'FENCED_INSTANCE',
    `another member of group ${JSON.stringify(group)} came with instance id ${JSON.stringify(instance)}: give each its own`,
    { group, instance },
  );

/** `assignmentEpoch`: since when the partition is the member's. `undefined`: it is not. */
export const staleMemberEpoch = (
  partition: string,
  epoch: number,
  memberEpoch: number,
  assignmentEpoch: number | undefined,
): MoldauError =>
  new MoldauError(
    'STALE_MEMBER_EPOCH',
    assignmentEpoch === undefined
      ? `${partition} is not the member's: somebody else reads it, or will`
      : `${partition} is the member's in epochs ${assignmentEpoch}…${memberEpoch}, and the commit names ${epoch}`,
    { partition, epoch, member_epoch: memberEpoch, assignment_epoch: assignmentEpoch },
  );

export const groupNotEmpty = (group: string, members: number): MoldauError =>
  new MoldauError(
    'GROUP_NOT_EMPTY',
    `group ${JSON.stringify(group)} has ${members === 1 ? 'a member: stop it' : `${members} members: stop them`} first; one with an instance id, or that died, counts until its session ends`,
    {
      group,
      members,
    },
  );

export const groupFull = (group: string, membersMax: number): MoldauError =>
  new MoldauError('GROUP_FULL', `group ${JSON.stringify(group)} has ${membersMax} members, which is the most`, {
    group,
    members_max: membersMax,
  });

export const invalidRegex = (regex: string, problem: string): MoldauError =>
  new MoldauError('INVALID_REGEX', `${JSON.stringify(regex)} can't select topics: ${problem}`, { regex, problem });

/** `coordinator`: the node that does. `undefined`: none does now. */
export const notCoordinator = (group: string, coordinator: NodeId | undefined): MoldauError =>
  new MoldauError(
    'NOT_COORDINATOR',
    coordinator === undefined
      ? `nobody coordinates group ${JSON.stringify(group)} now: retry`
      : `group ${JSON.stringify(group)} is coordinated by node ${coordinator}: go there`,
    { group, coordinator },
  );
