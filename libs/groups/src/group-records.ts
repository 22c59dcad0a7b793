import type { LeaderEpoch, Millis, Offset, PartitionKey } from '@moldau/kernel';
import type { AssignorName } from './assign/assignor.ts';
import type { GroupId, InstanceId, MemberId } from './ids.ts';

/** What a group has besides its members and offsets. */
export interface GroupHead {
  /** +1 when a member joins or leaves, a subscription changes, or the topics behind it change. */
  readonly groupEpoch: number;
  /** The group epoch that the targets were computed for. */
  readonly assignmentEpoch: number;
  /** Of the topics that the group epoch was made for: {@link fingerprint}. */
  readonly topics: string;
  /** When the last member left, in wall-clock time. `undefined`: there are members, or there never were any. */
  readonly emptySinceMs: Millis | undefined;
}

/** Which topics a member wants. */
export interface Subscription {
  /** By name, sorted, each once. */
  readonly topics: readonly string[];
  /** By regular expression (RE2), which must match the whole name. `undefined`: none. */
  readonly regex: string | undefined;
  /** Which assignor it asks for. `undefined`: whichever the group has. */
  readonly assignor: AssignorName | undefined;
}

/** What a member says of itself. */
export interface MemberProfile extends Subscription {
  /** `undefined`: a dynamic member. */
  readonly instance: InstanceId | undefined;
  /** Empty: it does not say. */
  readonly rack: string;
  /** How long its application may take to give partitions up. */
  readonly rebalanceTimeoutMs: Millis;
}

/** One partition that a member possibly owns. */
export interface Held {
  /** The member epoch that it came with. Stays until the partition is no longer possibly owned. */
  readonly assignmentEpoch: number;
  /** The last assignment of the member that named it. */
  readonly sentIn: number;
}

/** What a member was told, and what it possibly owns. */
export interface Holding {
  /** The member epoch: what it has reconciled to. */
  readonly epoch: number;
  /** Of its newest assignment: 1, 2, 3, … */
  readonly number: number;
  /** Of the last assignment that it said it applied. */
  readonly acked: number;
  /** All that it possibly owns. Its newest assignment: those of it that were sent in `number`. The others it shall give up. */
  readonly held: ReadonlyMap<PartitionKey, Held>;
}

/** A committed position. */
export interface StoredOffset {
  /** The next offset to read. */
  readonly offset: Offset;
  /** Of the last record that was read. */
  readonly leaderEpoch: LeaderEpoch | undefined;
  /** Text of the application. */
  readonly metadata: string;
  /** In wall-clock time. */
  readonly committedAtMs: Millis;
}

/**
 * One record of the log `__groups`: the value that its key has from now on. `undefined`: the key is gone. Every record is whole
 * by itself, so the last one of each key says all.
 */
export type GroupRecord =
  | { readonly kind: 'head'; readonly group: GroupId; readonly value: GroupHead | undefined }
  | {
      readonly kind: 'profile';
      readonly group: GroupId;
      readonly member: MemberId;
      readonly value: MemberProfile | undefined;
    }
  | {
      readonly kind: 'holding';
      readonly group: GroupId;
      readonly member: MemberId;
      readonly value: Holding | undefined;
    }
  | {
      readonly kind: 'target';
      readonly group: GroupId;
      readonly member: MemberId;
      /** What it is to own in the end. `undefined`: nothing. */
      readonly value: ReadonlySet<PartitionKey> | undefined;
    }
  | {
      readonly kind: 'offset';
      readonly group: GroupId;
      readonly partition: PartitionKey;
      readonly value: StoredOffset | undefined;
    };
