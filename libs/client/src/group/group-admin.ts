import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, hasReason, type Millis, type MoldauError } from '@moldau/kernel';
import {
  type DescribeGroupResponse,
  GroupService,
  type ListGroupsResponse,
  type SeekTargetSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { requireAllShards, retrying } from '@moldau/routing';
import type { ClientPorts } from '../client-ports.ts';
import type { TopicPartition } from '../consumer.ts';
import { checkPlace, type Place, positionOf } from '../place.ts';
import { GroupCoordinators } from './group-coordinators.ts';
import {
  describedGroup,
  type GroupInfo,
  type GroupPosition,
  type GroupSummary,
  inOrder,
  nameOf,
  topicIdsOf,
} from './group-info.ts';

/** Where a group is to go on: a place, or so many records on from where it stands, or back. */
export type GroupPlace = Place | { readonly shift: bigint | number };

/** How a group is sought. */
export interface SeekOptions {
  /** Default: all for which the group has committed something. */
  readonly topics?: readonly string[];
  /** Of the topics. Default: all. */
  readonly partitions?: readonly number[];
  /** Only says where it would go on. */
  readonly dryRun?: boolean;
  /** Although members are active: those go on from where they are. */
  readonly force?: boolean;
}

/** A new position of a group. */
export interface SoughtPosition extends TopicPartition {
  readonly offset: bigint;
}

const pageSize = 1_000;
const targetsMax = 10_000;

/** Looks at groups, moves and deletes them. */
export class GroupAdmin {
  readonly #ports: ClientPorts;
  readonly #coordinators: GroupCoordinators;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
    this.#coordinators = new GroupCoordinators(ports);
  }

  /** All groups, by their ids. */
  async list(): Promise<GroupSummary[]> {
    return retrying(this.#ports, this.#ports.timeoutMs, async (leftMs) => {
      const groups = new Map<string, number>();
      const shards = new Set<number>();
      let shardCount = 0;
      for (const address of await this.#coordinators.addresses(leftMs)) {
        for await (const page of this.#pagesOf(address, leftMs)) {
          for (const [i, group] of page.groups.entries()) groups.set(group, page.members[i] ?? 0);
          for (const shard of page.shards) shards.add(shard);
          shardCount = page.shardCount;
        }
      }
      requireAllShards(shards, shardCount);
      return [...groups.keys()].sort().map((group) => ({ group, members: groups.get(group) ?? 0 }));
    });
  }

  async *#pagesOf(address: string, timeoutMs: Millis): AsyncGenerator<ListGroupsResponse> {
    const channel = this.#ports.connections.to(address, 'control');
    for (let pageToken = ''; ; ) {
      const page = await channel.unary(GroupService.method.listGroups, { pageSize, pageToken }, { timeoutMs });
      yield page;
      pageToken = page.nextPageToken;
      if (pageToken === '') return;
    }
  }

  /** Throws UNKNOWN_GROUP. */
  async describe(group: string): Promise<GroupInfo> {
    const answer = await this.#coordinators.call(group, (channel, timeoutMs) =>
      channel.unary(GroupService.method.describeGroup, { group }, { timeoutMs }),
    );
    return describedGroup(answer, await this.#namesOf(answer));
  }

  /** Deletes a group without members, and its offsets. Throws UNKNOWN_GROUP, GROUP_NOT_EMPTY. */
  async delete(group: string, validateOnly: boolean): Promise<void> {
    await this.#coordinators.call(group, (channel, timeoutMs) =>
      channel.unary(GroupService.method.deleteGroup, { group, validateOnly }, { timeoutMs }),
    );
  }

  /** Moves a group. Throws GROUP_NOT_EMPTY, UNKNOWN_TOPIC, UNKNOWN_PARTITION, OFFSET_OUT_OF_RANGE. */
  async seek(group: string, to: GroupPlace, options: SeekOptions): Promise<SoughtPosition[]> {
    const target = targetOf(to);
    const { dryRun: validateOnly = false, force = false } = options;
    const isShift = target.case === 'shift';
    const partitions = await (isShift ? this.#committedOf(group, options) : this.#partitionsOf(group, options));
    if (partitions.length > targetsMax)
      throw faults.invalidRequest(
        'partitions',
        `are ${partitions.length}: at most ${targetsMax} in one go, name topics or partitions`,
      );
    const targets = partitions.map(({ topicId, partition }) => ({ partition: { topicId, partition }, to: target }));
    // A shift that may have been made would be made twice.
    const mayRepeat = ({ retriable, outcome }: MoldauError): boolean =>
      retriable && (!isShift || validateOnly || outcome !== 'UNKNOWN');
    const { offsets } = await this.#coordinators.call(
      group,
      (channel, timeoutMs) =>
        channel.unary(GroupService.method.seekGroup, { group, targets, force, validateOnly }, { timeoutMs }),
      mayRepeat,
    );
    return offsets
      .flatMap(({ offset }, index) => {
        const at = partitions[index];
        return at === undefined || offset === undefined ? [] : [{ topic: at.topic, partition: at.partition, offset }];
      })
      .sort(inOrder);
  }

  async #partitionsOf(group: string, { topics, partitions }: SeekOptions) {
    const wanted = (partition: number): boolean => partitions === undefined || partitions.includes(partition);
    const names = topics ?? (await this.#topicsOf(group));
    const { metadata, timeoutMs } = this.#ports;
    const known = await Promise.all(names.map((name) => metadata.refresh(name, { autoCreate: false, timeoutMs })));
    const missing = partitions?.find((partition) => known.some((topic) => partition >= topic.partitions.length));
    const [first] = known;
    if (missing !== undefined && first !== undefined)
      throw faults.unknownPartition(first.name, missing, first.partitions.length);
    return known.flatMap(({ id, name, partitions: all }) =>
      all.flatMap(({ index }) => (wanted(index) ? [{ topicId: id, topic: name, partition: index }] : [])),
    );
  }

  /** There is nothing to count from elsewhere. */
  async #committedOf(group: string, options: SeekOptions) {
    const has = new Set((await this.#committedPositions(group)).map(nameOf));
    const all = await this.#partitionsOf(group, options);
    return all.filter((at) => has.has(nameOf(at)));
  }

  /** Of a group that has committed nothing nobody knows what it reads. */
  async #topicsOf(group: string): Promise<string[]> {
    const positions = await this.#committedPositions(group);
    if (positions.length === 0)
      throw faults.invalidRequest('topics', `are missing: group ${JSON.stringify(group)} has committed nothing yet`);
    return [...new Set(positions.map(({ topic }) => topic))];
  }

  async #committedPositions(group: string): Promise<GroupPosition[]> {
    return (await this.describe(group)).positions.filter(({ committed }) => committed !== undefined);
  }

  /** Of every topic that it speaks of, by its id; one that has just gone has none. */
  async #namesOf(answer: DescribeGroupResponse): Promise<ReadonlyMap<string, string>> {
    const { metadata, timeoutMs } = this.#ports;
    const names = new Map<string, string>();
    for (const id of topicIdsOf(answer)) {
      try {
        names.set(id, (await metadata.topicById(id, timeoutMs)).name);
      } catch (error) {
        if (!hasReason(error, 'UNKNOWN_TOPIC')) throw error;
      }
    }
    return names;
  }
}

function targetOf(to: GroupPlace): NonNullable<MessageInitShape<typeof SeekTargetSchema>['to']> {
  if (typeof to === 'object' && 'shift' in to) {
    if (typeof to.shift !== 'bigint' && !Number.isSafeInteger(to.shift))
      throw faults.invalidRequest('shift', 'is no whole number of records');
    return { case: 'shift', value: BigInt(to.shift) };
  }
  checkPlace('to', to);
  return { case: 'position', value: positionOf(to) };
}
