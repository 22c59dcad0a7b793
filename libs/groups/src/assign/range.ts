import { type PartitionKey, partitionIndex, partitionKey } from '@moldau/kernel';
import type { MemberId } from '../ids.ts';
import type { TopicView } from '../topics.ts';
import type { AssignorMember } from './assignor.ts';
import { classesOf, inOrder } from './interest.ts';

/** Topics with as many partitions each, wanted by the same members: partition n of all of them goes to one member. */
interface CoPartitioned {
  readonly topics: readonly TopicView[];
  readonly partitions: number;
  /** Places in the list of members. */
  readonly subscribers: readonly number[];
}

/** A member and how many partitions of each topic it may take. */
interface Room {
  readonly at: number;
  readonly member: AssignorMember;
  readonly taken: number[];
  quota: number;
}

/**
 * Gives each member the same partitions of all topics that are partitioned alike, so that what belongs together is read
 * together. A new group gets ranges; later everybody keeps what it had, within a balance of one for each such set of topics.
 */
export function assignRanges(given: readonly AssignorMember[]): ReadonlyMap<MemberId, ReadonlySet<PartitionKey>> {
  const members = inOrder(given);
  const shares = members.map(() => new Set<PartitionKey>());
  for (const set of coPartitioned(members)) {
    for (const { at, taken } of share(set, members, shares)) {
      for (const topic of set.topics) {
        for (const partition of taken) shares[at]?.add(partitionKey(topic.id, partitionIndex(partition)));
      }
    }
  }
  return new Map(members.map(({ id }, at) => [id, shares[at] ?? new Set()]));
}

function coPartitioned(members: readonly AssignorMember[]): CoPartitioned[] {
  return classesOf(members).flatMap(({ topics, subscribers }) => {
    const bySize = new Map<number, TopicView[]>();
    for (const topic of topics) {
      const same = bySize.get(topic.partitions);
      if (same === undefined) bySize.set(topic.partitions, [topic]);
      else same.push(topic);
    }
    return [...bySize].map(([partitions, alike]) => ({ topics: alike, partitions, subscribers }));
  });
}

function share(
  set: CoPartitioned,
  members: readonly AssignorMember[],
  shares: readonly ReadonlySet<PartitionKey>[],
): readonly Room[] {
  const floor = Math.floor(set.partitions / set.subscribers.length);
  const rooms = set.subscribers.flatMap((at): Room[] => {
    const member = members[at];
    return member === undefined ? [] : [{ at, member, taken: [], quota: floor }];
  });
  const extras = keepPrevious(set, rooms, floor);
  // What does not divide goes to whoever takes the place of another, then to those that have least so far, so that it is not
  // always the first.
  const totalOf = ({ at }: Room): number => shares[at]?.size ?? 0;
  const more = rooms
    .filter(({ quota }) => quota === floor)
    .sort((a, b) => a.taken.length - b.taken.length || totalOf(a) - totalOf(b) || a.at - b.at);
  for (const room of more.slice(0, extras)) room.quota += 1;
  fill(set, rooms);
  return rooms;
}

/** Everybody keeps what it had, up to the even share and one more while there are such; returns how many of them are left. */
function keepPrevious(set: CoPartitioned, rooms: readonly Room[], floor: number): number {
  let extras = set.partitions - floor * rooms.length;
  const places = new Map(
    set.topics.flatMap(({ id }) =>
      Array.from({ length: set.partitions }, (_, partition): [PartitionKey, number] => [
        partitionKey(id, partitionIndex(partition)),
        partition,
      ]),
    ),
  );
  const taken = new Set<number>();
  for (const room of rooms) {
    const had = new Set([...room.member.previous].flatMap((key) => places.get(key) ?? []));
    for (const partition of [...had].sort((a, b) => a - b)) {
      if (room.taken.length > floor || taken.has(partition)) continue;
      if (room.taken.length === floor) {
        if (extras === 0) break;
        extras -= 1;
        room.quota += 1;
      }
      taken.add(partition);
      room.taken.push(partition);
    }
  }
  return extras;
}

/** Gives away what is left: near its copies first, then in ranges. */
function fill({ topics, partitions }: CoPartitioned, rooms: readonly Room[]): void {
  const taken = new Set(rooms.flatMap((room) => room.taken));
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((one) => !taken.has(one));
  const hasRoom = (room: Room): boolean => room.taken.length < room.quota;
  const far = free.filter((partition) => {
    const racks = topics.flatMap((topic) => topic.racks[partition] ?? []);
    const near =
      racks.length === 0 ? undefined : rooms.find((room) => hasRoom(room) && racks.includes(room.member.rack));
    near?.taken.push(partition);
    return near === undefined;
  });
  const left = far.values();
  for (const room of rooms) {
    while (hasRoom(room)) {
      const { value, done } = left.next();
      if (done) return;
      room.taken.push(value);
    }
  }
}
