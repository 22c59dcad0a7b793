import { assert } from '@moldau/kernel';
import type { TopicClass } from './interest.ts';

/** Who holds what, to be made even in place. */
export interface Loads {
  /** By member: the pieces that it holds. */
  readonly held: readonly number[][];
  readonly classOf: (piece: number) => TopicClass;
  /** True when the member had the piece before. */
  readonly isPrevious: (member: number, piece: number) => boolean;
  /** True when the piece has a copy in the member's rack. */
  readonly isNear: (member: number, piece: number) => boolean;
}

/** Members looked at in one run. Beyond it shares stay as even as they are: only groups where nearly all subscriptions differ get there. */
const looksMax = 5_000_000;

/**
 * Moves pieces from members that hold most to members that hold at least two less, directly or by a chain of members each of
 * which passes one on, until no chain is left: no other shares under these subscriptions are more even. Each chain makes the
 * numbers more even, so as few pieces move as can be.
 */
export function level(loads: Loads): void {
  const { held } = loads;
  let looks = 0;
  let most = held.reduce((highest, { length }) => Math.max(highest, length), 0);
  while (most >= 2 && looks < looksMax) {
    const chain = findChain(loads, most, () => (looks += 1));
    if (chain !== undefined) move(loads, chain);
    // Nobody who holds as much can be relieved any more: whom they could pass a piece to hold one less at most.
    if (chain === undefined || !held.some(({ length }) => length === most)) most -= 1;
  }
}

/** One step of a chain: `from` passes on a piece of this class. */
interface Link {
  readonly from: number;
  readonly by: TopicClass;
  readonly to: number;
}

/** The shortest chain from a member that holds `most` to one that holds at least two less. */
function findChain({ held, classOf }: Loads, most: number, look: () => void): readonly Link[] | undefined {
  const links = new Map<number, Link | undefined>();
  const tried = new Set<TopicClass>();
  const queue: number[] = [];
  for (const [member, { length }] of held.entries()) {
    if (length !== most) continue;
    links.set(member, undefined);
    queue.push(member);
  }
  for (const from of queue) {
    for (const piece of held[from] ?? []) {
      const by = classOf(piece);
      if (tried.has(by)) continue;
      tried.add(by);
      let least: number | undefined;
      for (const to of by.subscribers) {
        look();
        if (links.has(to)) continue;
        links.set(to, { from, by, to });
        queue.push(to);
        if (least === undefined || loadOf(held, to) < loadOf(held, least)) least = to;
      }
      if (least !== undefined && loadOf(held, least) <= most - 2) return backFrom(links, least);
    }
  }
  return undefined;
}

const loadOf = (held: readonly number[][], member: number): number => held[member]?.length ?? 0;

function backFrom(links: ReadonlyMap<number, Link | undefined>, end: number): readonly Link[] {
  const chain: Link[] = [];
  for (let link = links.get(end); link !== undefined; link = links.get(link.from)) chain.push(link);
  return chain;
}

/** Passes one piece along each link: rather one that the giver did not have before, then one that comes nearer to a copy. */
function move({ held, classOf, isPrevious, isNear }: Loads, chain: readonly Link[]): void {
  for (const { from, by, to } of chain) {
    const given = held[from];
    assert(given !== undefined, 'a chain leads over members');
    let best = -1;
    let bestWorth = -1;
    for (const [place, piece] of given.entries()) {
      if (classOf(piece) !== by) continue;
      const worth =
        (isPrevious(from, piece) ? 0 : 8) +
        (isPrevious(to, piece) ? 4 : 0) +
        (isNear(to, piece) ? 2 : 0) +
        (isNear(from, piece) ? 0 : 1);
      if (worth > bestWorth) [best, bestWorth] = [place, worth];
    }
    const [piece] = given.splice(best, 1);
    assert(piece !== undefined, 'whoever passes a piece on has one of that class');
    held[to]?.push(piece);
  }
}
