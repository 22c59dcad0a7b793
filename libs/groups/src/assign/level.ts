import { assert } from '@moldau/kernel';
import type { TopicClass } from './interest.ts';

/** Who holds what, to be made even in place. */
export interface Pieces {
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
export function level(given: Pieces): void {
  const loads = Int32Array.from(given.held, ({ length }) => length);
  let looks = 0;
  let most = loads.reduce((highest, load) => Math.max(highest, load), 0);
  while (most >= 2 && looks < looksMax) {
    const chain = findChain(given, loads, most, (members) => {
      looks += members;
    });
    if (chain === undefined) {
      // Nobody who holds as much can be relieved any more: whom they could pass a piece to hold one less at most.
      most -= 1;
      continue;
    }
    for (const link of chain) {
      pass(given, link);
      loads[link.from] = (loads[link.from] ?? 0) - 1;
      loads[link.to] = (loads[link.to] ?? 0) + 1;
    }
  }
}

/** One step of a chain: `from` passes on a piece of this class. */
interface Link {
  readonly from: number;
  readonly by: TopicClass;
  readonly to: number;
}

/** The shortest chain from a member that holds `most` to one that holds at least two less. */
function findChain(
  { held, classOf }: Pieces,
  loads: Int32Array,
  most: number,
  look: (members: number) => void,
): readonly Link[] | undefined {
  const isReached = new Uint8Array(held.length);
  // Links by the member that they lead to; those that hold most have none.
  const froms = new Int32Array(held.length).fill(-1);
  const classes: TopicClass[] = [];
  const classAt = new Int32Array(held.length);
  const tried = new Set<TopicClass>();
  const queue: number[] = [];
  for (const [member, load] of loads.entries()) {
    if (load !== most) continue;
    isReached[member] = 1;
    queue.push(member);
  }
  for (const from of queue) {
    for (const piece of held[from] ?? []) {
      const by = classOf(piece);
      if (tried.has(by)) continue;
      tried.add(by);
      classes.push(by);
      look(by.subscribers.length);
      let least = -1;
      let leastLoad = most;
      for (const to of by.subscribers) {
        if (isReached[to] === 1) continue;
        isReached[to] = 1;
        froms[to] = from;
        classAt[to] = classes.length - 1;
        queue.push(to);
        const load = loads[to] ?? 0;
        if (load < leastLoad) [least, leastLoad] = [to, load];
      }
      if (leastLoad <= most - 2) return backFrom(least, froms, (to) => classes[classAt[to] ?? 0]);
    }
  }
  return undefined;
}

function backFrom(end: number, froms: Int32Array, classOf: (to: number) => TopicClass | undefined): readonly Link[] {
  const chain: Link[] = [];
  for (let to = end; ; ) {
    const from = froms[to] ?? -1;
    const by = classOf(to);
    if (from < 0 || by === undefined) return chain;
    chain.push({ from, by, to });
    to = from;
  }
}

/** Passes on one piece: rather one that the giver did not have before, then one that comes nearer to a copy. */
function pass({ held, classOf, isPrevious, isNear }: Pieces, { from, by, to }: Link): void {
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
