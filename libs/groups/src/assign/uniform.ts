import { assert, type PartitionKey, partitionIndex, partitionKey } from '@moldau/kernel';
import type { MemberId } from '../ids.ts';
import type { AssignorMember } from './assignor.ts';
import { classesOf, inOrder, type TopicClass } from './interest.ts';
import { level } from './level.ts';

/** One partition to give away. */
interface Piece {
  readonly key: PartitionKey;
  /** Who wants it. */
  readonly of: TopicClass;
  readonly racks: readonly string[];
}

/**
 * Balances numbers of partitions over all topics together: members differ by one at most, wherever subscriptions allow it.
 * Then everybody keeps what it had; then what is given away goes where the rack of the member has a copy.
 */
export function assignUniformly(given: readonly AssignorMember[]): ReadonlyMap<MemberId, ReadonlySet<PartitionKey>> {
  const members = inOrder(given);
  const pieces = piecesOf(classesOf(members));
  const held = keepPrevious(members, pieces);
  const keepers = new Int32Array(pieces.length).fill(-1);
  for (const [member, kept] of held.entries()) for (const piece of kept) keepers[piece] = member;
  giveAway(members, pieces, held);
  level({
    held,
    classOf: (piece) => at(pieces, piece).of,
    isPrevious: (member, piece) => keepers[piece] === member,
    isNear: (member, piece) => {
      const { racks } = at(pieces, piece);
      return racks.length > 0 && racks.includes(at(members, member).rack);
    },
  });
  return new Map(
    members.map(({ id }, member) => [id, new Set(at(held, member).map((piece) => at(pieces, piece).key))]),
  );
}

const at = <T>(list: readonly T[], place: number): T => {
  const item = list[place];
  assert(item !== undefined, 'assignors count from 0 to the length of their lists');
  return item;
};

function piecesOf(classes: readonly TopicClass[]): Piece[] {
  return classes.flatMap((of) =>
    of.topics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({
        key: partitionKey(topic.id, partitionIndex(partition)),
        of,
        racks: topic.racks[partition] ?? [],
      })),
    ),
  );
}

/** What each member had and may still have: places in `pieces`. */
function keepPrevious(members: readonly AssignorMember[], pieces: readonly Piece[]): number[][] {
  const places = new Map(pieces.map(({ key }, place) => [key, place]));
  const wanted = new Map<TopicClass, ReadonlySet<number>>();
  const wants = (member: number, of: TopicClass): boolean => {
    const subscribers = wanted.get(of) ?? new Set(of.subscribers);
    wanted.set(of, subscribers);
    return subscribers.has(member);
  };
  const taken = new Set<number>();
  return members.map(({ previous }, member) => {
    const kept: number[] = [];
    for (const key of previous) {
      const place = places.get(key);
      if (place === undefined || taken.has(place) || !wants(member, at(pieces, place).of)) continue;
      taken.add(place);
      kept.push(place);
    }
    return kept.sort((a, b) => a - b);
  });
}

/** Gives what nobody has to whoever has least: first near its copies as long as all stay below the even share, then anywhere. */
function giveAway(members: readonly AssignorMember[], pieces: readonly Piece[], held: readonly number[][]): void {
  const kept = Int32Array.from(held, ({ length }) => length);
  const loads = Int32Array.from(kept);
  const share = Math.floor(pieces.length / Math.max(1, members.length));
  const least = ({ of, racks }: Piece, mayBeFar: boolean): number | undefined => {
    let best: number | undefined;
    let bestLoad = mayBeFar ? Number.POSITIVE_INFINITY : share;
    let bestKept = 0;
    for (const member of of.subscribers) {
      const load = loads[member] ?? 0;
      // Of two that have as much, whoever had less takes the place of whoever left.
      if (load > bestLoad || (load === bestLoad && !(best !== undefined && (kept[member] ?? 0) < bestKept))) continue;
      if (!mayBeFar && !racks.includes(at(members, member).rack)) continue;
      best = member;
      bestLoad = load;
      bestKept = kept[member] ?? 0;
    }
    return best;
  };
  const taken = new Set(held.flat());
  // Those that few want go first: the others can still go elsewhere.
  const free = [...pieces.keys()]
    .filter((place) => !taken.has(place))
    .sort((a, b) => at(pieces, a).of.subscribers.length - at(pieces, b).of.subscribers.length || a - b);
  for (const mayBeFar of [false, true]) {
    for (const place of free) {
      if (taken.has(place) || (!mayBeFar && at(pieces, place).racks.length === 0)) continue;
      const member = least(at(pieces, place), mayBeFar);
      if (member === undefined) continue;
      at(held, member).push(place);
      loads[member] = (loads[member] ?? 0) + 1;
      taken.add(place);
    }
  }
}
