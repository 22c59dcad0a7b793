import type { LeaderEpoch, Millis, MoldauError, Offset, PartitionKey, TopicId } from '@moldau/kernel';
import type { AssignorName } from './assign/assignor.ts';
import type { GroupRecord, StoredOffset } from './group-records.ts';
import type { GroupId, InstanceId, MemberId } from './ids.ts';
import type { TopicsView } from './topics.ts';

/** Which topics a member wants, as it says it. */
export interface Wish {
  readonly topics: readonly string[];
  readonly regex: string | undefined;
  /** Its name. `undefined`: whichever the group has. */
  readonly assignor: string | undefined;
}

/** A frame on a member's stream. Streams are numbered uniquely by whoever drives the machine. */
interface OfMember {
  readonly group: GroupId;
  readonly member: MemberId;
  readonly stream: number;
}

/** Joins, or resumes a membership on a new stream. */
export interface Hello extends OfMember, Wish {
  readonly kind: 'hello';
  readonly instance: InstanceId | undefined;
  readonly rack: string;
  readonly rebalanceTimeoutMs: Millis;
  /** What it owns. `undefined`: it does not say, so nothing is concluded. */
  readonly owned: readonly PartitionKey[] | undefined;
  /** The epoch of its last assignment. `undefined`: it has had none. */
  readonly lastMemberEpoch: number | undefined;
  /** The number of the last assignment that it applied. `undefined`: none. */
  readonly lastAssignment: number | undefined;
}

/** Says which assignment it applied, after it gave up what that took from it. */
export interface Ack extends OfMember {
  readonly kind: 'ack';
  readonly assignment: number;
  /** What it owns. `undefined`: as it said before. */
  readonly owned: readonly PartitionKey[] | undefined;
}

/** A position to commit. */
export interface NewOffset {
  readonly partition: PartitionKey;
  readonly offset: Offset;
  readonly leaderEpoch: LeaderEpoch | undefined;
  readonly metadata: string;
}

export type MemberRequest =
  | Hello
  | Ack
  | (OfMember & Wish & { readonly kind: 'update' })
  /** It lives. Every other frame says so too. */
  | (OfMember & { readonly kind: 'heard' })
  /** It owns nothing any more. `comingBack`: a static member, whose partitions wait for it until its session ends. */
  | (OfMember & { readonly kind: 'leave'; readonly comingBack: boolean });

/** By a member under an epoch that it was told, on its stream or by itself; or by somebody who is no member. */
export interface Commit {
  readonly kind: 'commit';
  readonly group: GroupId;
  readonly by: { readonly member: MemberId; readonly epoch: number; readonly stream: number | undefined } | undefined;
  readonly offsets: readonly NewOffset[];
}

export type GroupRequest =
  | MemberRequest
  | Commit
  /** `force`: although there are members. Those go on from where they are. */
  | {
      readonly kind: 'seek';
      readonly group: GroupId;
      readonly offsets: readonly NewOffset[];
      readonly force: boolean;
      readonly validateOnly: boolean;
    }
  | { readonly kind: 'delete'; readonly group: GroupId; readonly validateOnly: boolean }
  | { readonly kind: 'describe'; readonly group: GroupId }
  /** `partitions`: `undefined` is all that have an offset. */
  | { readonly kind: 'get-offsets'; readonly group: GroupId; readonly partitions: readonly PartitionKey[] | undefined };

export type ShardRequest =
  /** Time has passed: due at {@link GroupShard.nextDeadlineMs}, never wrong. */
  | { readonly kind: 'tick' }
  /** These are all topics now. Groups are rebalanced in the ticks that follow. */
  | { readonly kind: 'topics-changed'; readonly topics: TopicsView }
  /** A topic is gone for good, and its offsets with it. To be repeated while the answer says `more`. */
  | { readonly kind: 'topic-deleted'; readonly topic: TopicId }
  /** Groups after this one, by id. */
  | { readonly kind: 'list'; readonly after: GroupId | undefined; readonly limit: number };

export type Request = GroupRequest | ShardRequest;

/** What a member is to own from now on. */
export interface Assignment {
  readonly kind: 'assignment';
  /** Counts the assignments of this member. The newest may be sent again. */
  readonly number: number;
  /** The member epoch. */
  readonly epoch: number;
  /** All that it owns, with what is committed there. */
  readonly assigned: readonly { readonly partition: PartitionKey; readonly committed: StoredOffset | undefined }[];
  /** What it has to give up; then it acknowledges. */
  readonly revoke: readonly PartitionKey[];
  /** What it will get once others have given it up, as it looks now. */
  readonly pending: readonly PartitionKey[];
}

/** A frame to a stream, which is not always the one of the request. */
export interface Frame {
  readonly stream: number;
  readonly frame: Assignment | { readonly kind: 'fenced'; readonly error: MoldauError };
}

/** Where a member is on its way to its target. */
export type MemberPhase = 'stable' | 'unrevoked' | 'unreleased';

export interface MemberDescription {
  readonly member: MemberId;
  readonly instance: InstanceId | undefined;
  readonly rack: string;
  readonly epoch: number;
  readonly phase: MemberPhase;
  readonly assigned: readonly PartitionKey[];
  readonly revoking: readonly PartitionKey[];
  readonly pending: readonly PartitionKey[];
}

export interface GroupDescription {
  readonly group: GroupId;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly assignor: AssignorName;
  readonly members: readonly MemberDescription[];
  readonly offsets: ReadonlyMap<PartitionKey, StoredOffset>;
}

/** A group in a list. */
export interface GroupListing {
  readonly id: GroupId;
  readonly members: number;
}

export type Reply =
  | { readonly kind: 'done' }
  /** Nothing was changed. A membership goes on. */
  | { readonly kind: 'refused'; readonly error: MoldauError }
  /** Nothing was changed, and whoever asked is not, or no more, the member that it says it is. */
  | { readonly kind: 'fenced'; readonly error: MoldauError }
  /** The others were committed. */
  | {
      readonly kind: 'committed';
      readonly failures: readonly { readonly partition: PartitionKey; readonly error: MoldauError }[];
    }
  | { readonly kind: 'described'; readonly description: GroupDescription }
  | { readonly kind: 'offsets'; readonly offsets: ReadonlyMap<PartitionKey, StoredOffset> }
  | { readonly kind: 'groups'; readonly groups: readonly GroupListing[]; readonly hasMore: boolean }
  | { readonly kind: 'forgotten'; readonly more: boolean };

/**
 * What a request led to. The records go to the log as one batch; the reply and the frames leave when it is committed, and all
 * that came before. That holds for a reply without records too: it may have been read from records that are not committed yet.
 */
export interface Step {
  readonly records: readonly GroupRecord[];
  readonly reply: Reply;
  readonly frames: readonly Frame[];
}
