import type { PartitionKey, TopicId } from '@moldau/kernel';
import type { GroupHead, GroupRecord, Holding, MemberProfile, StoredOffset } from './group-records.ts';
import { type GroupId, type InstanceId, type MemberId, partitionOf } from './ids.ts';

const noHead: GroupHead = { groupEpoch: 0, assignmentEpoch: 0, topics: '', emptySinceMs: undefined };
const nothing: ReadonlySet<PartitionKey> = new Set();

/** How many positions the groups of one shard have, all in all. */
export interface PositionTally {
  positions: number;
}

/** What the records say of one group. Nothing changes it but {@link apply}. */
export class GroupState {
  readonly id: GroupId;
  #head: GroupHead | undefined;
  readonly #profiles = new Map<MemberId, MemberProfile>();
  readonly #holdings = new Map<MemberId, Holding>();
  readonly #targets = new Map<MemberId, ReadonlySet<PartitionKey>>();
  readonly #offsets = new Map<PartitionKey, StoredOffset>();
  // Read from the maps above. A log that is half compacted may show a partition with two members for a while: the later one has it.
  readonly #owners = new Map<PartitionKey, MemberId>();
  readonly #heirs = new Map<PartitionKey, MemberId>();
  readonly #instances = new Map<InstanceId, MemberId>();
  readonly #tally: PositionTally;

  constructor(id: GroupId, tally: PositionTally) {
    this.id = id;
    this.#tally = tally;
  }

  get head(): GroupHead {
    return this.#head ?? noHead;
  }
  get hasHead(): boolean {
    return this.#head !== undefined;
  }
  get members(): ReadonlyMap<MemberId, MemberProfile> {
    return this.#profiles;
  }
  get offsets(): ReadonlyMap<PartitionKey, StoredOffset> {
    return this.#offsets;
  }
  /** Those that somebody is to have a part of. */
  get topics(): ReadonlySet<TopicId> {
    return new Set([...this.#heirs.keys()].map((partition) => partitionOf(partition).topic));
  }
  /** Of all groups of its shard. */
  get shardPositions(): number {
    return this.#tally.positions;
  }
  /** No key of it is left. */
  get isGone(): boolean {
    return !this.hasHead && this.#profiles.size + this.#holdings.size + this.#targets.size + this.#offsets.size === 0;
  }

  holding(member: MemberId): Holding | undefined {
    return this.#holdings.get(member);
  }
  target(member: MemberId): ReadonlySet<PartitionKey> {
    return this.#targets.get(member) ?? nothing;
  }
  /** Who possibly owns it. */
  owner(partition: PartitionKey): MemberId | undefined {
    return this.#owners.get(partition);
  }
  /** Whose target it is in. */
  heir(partition: PartitionKey): MemberId | undefined {
    return this.#heirs.get(partition);
  }
  instance(instance: InstanceId): MemberId | undefined {
    return this.#instances.get(instance);
  }

  apply(record: GroupRecord): void {
    switch (record.kind) {
      case 'head':
        this.#head = record.value;
        return;
      case 'profile':
        return this.#applyProfile(record.member, record.value);
      case 'holding':
        reindex(this.#owners, record.member, this.#holdings.get(record.member)?.held.keys(), record.value?.held.keys());
        return put(this.#holdings, record.member, record.value);
      case 'target':
        reindex(this.#heirs, record.member, this.#targets.get(record.member), record.value);
        return put(this.#targets, record.member, record.value);
      case 'offset':
        this.#tally.positions -= this.#offsets.size;
        put(this.#offsets, record.partition, record.value);
        this.#tally.positions += this.#offsets.size;
        return;
    }
  }

  /** Every key that the group has: a snapshot of it. */
  *records(): Iterable<GroupRecord> {
    const group = this.id;
    if (this.#head !== undefined) yield { kind: 'head', group, value: this.#head };
    for (const [member, value] of this.#profiles) yield { kind: 'profile', group, member, value };
    for (const [member, value] of this.#holdings) yield { kind: 'holding', group, member, value };
    for (const [member, value] of this.#targets) yield { kind: 'target', group, member, value };
    for (const [partition, value] of this.#offsets) yield { kind: 'offset', group, partition, value };
  }

  #applyProfile(member: MemberId, profile: MemberProfile | undefined): void {
    const before = this.#profiles.get(member)?.instance;
    if (before !== undefined && this.#instances.get(before) === member) this.#instances.delete(before);
    if (profile?.instance !== undefined) this.#instances.set(profile.instance, member);
    put(this.#profiles, member, profile);
  }
}

/** What the records of one shard say. Replaying all of them, or the last one of each key, gives the same state. */
export class ShardState {
  readonly #groups = new Map<GroupId, GroupState>();
  readonly #tally: PositionTally = { positions: 0 };

  get groups(): ReadonlyMap<GroupId, GroupState> {
    return this.#groups;
  }

  /** The group, to be changed by {@link apply} and closed when nothing of it is left. */
  open(id: GroupId): GroupState {
    const group = this.#groups.get(id) ?? new GroupState(id, this.#tally);
    this.#groups.set(id, group);
    return group;
  }

  /** Lists the group no longer if no key of it is left. */
  close(group: GroupState): void {
    if (group.isGone) this.#groups.delete(group.id);
  }

  apply(record: GroupRecord): void {
    const group = this.open(record.group);
    group.apply(record);
    this.close(group);
  }

  *records(): Iterable<GroupRecord> {
    for (const group of this.#groups.values()) yield* group.records();
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function reindex(
  index: Map<PartitionKey, MemberId>,
  member: MemberId,
  before: Iterable<PartitionKey> = [],
  after: Iterable<PartitionKey> = [],
): void {
  for (const partition of before) if (index.get(partition) === member) index.delete(partition);
  for (const partition of after) index.set(partition, member);
}
