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

/** Members and classes looked at in one run. Beyond it shares stay as even as they are: only groups where nearly all subscriptions differ get there. */
const looksMax = 5_000_000;
/** Pieces of one kind among which the best to pass on is looked for. */
const choicesMax = 64;

/** What a member holds of one class: what it had before, and the rest, which it rather passes on. */
interface Hand {
  readonly own: number[];
  readonly foreign: number[];
}

/** By member, by class. */
type Hands = readonly Map<TopicClass, Hand>[];

/**
 * Moves pieces from members that hold most to members that hold at least two less, directly or by a chain of members each of
 * which passes one on, until no chain is left: no other shares under these subscriptions are more even. Each chain makes the
 * numbers more even, so as few pieces move as can be.
 */
export function level(given: Pieces): void {
  const loads = Int32Array.from(given.held, ({ length }) => length);
  const hands = handsOf(given);
  let looks = 0;
  let most = loads.reduce((highest, load) => Math.max(highest, load), 0);
  while (most >= 2 && looks < looksMax) {
    const chain = findChain(hands, loads, most, (seen) => {
      looks += seen;
    });
    if (chain === undefined) {
      // Nobody who holds as much can be relieved any more: whom they could pass a piece to hold one less at most.
      most -= 1;
      continue;
    }
    for (const link of chain) {
      pass(given, hands, link);
      loads[link.from] = (loads[link.from] ?? 0) - 1;
      loads[link.to] = (loads[link.to] ?? 0) + 1;
    }
  }
  for (const [member, held] of given.held.entries()) {
    held.length = 0;
    for (const { own, foreign } of hands[member]?.values() ?? []) {
      for (const piece of own) held.push(piece);
      for (const piece of foreign) held.push(piece);
    }
  }
}

function handsOf({ held, classOf, isPrevious }: Pieces): Hands {
  return held.map((pieces, member) => {
    const hands = new Map<TopicClass, Hand>();
    for (const piece of pieces) take(hands, classOf(piece), piece, isPrevious(member, piece));
    return hands;
  });
}

function take(hands: Map<TopicClass, Hand>, of: TopicClass, piece: number, isOwn: boolean): void {
  const hand = hands.get(of) ?? { own: [], foreign: [] };
  hands.set(of, hand);
  (isOwn ? hand.own : hand.foreign).push(piece);
}

/** One step of a chain: `from` passes on a piece of this class. */
interface Link {
  readonly from: number;
  readonly by: TopicClass;
  readonly to: number;
}

/** The shortest chain from a member that holds `most` to one that holds at least two less. */
function findChain(
  hands: Hands,
  loads: Int32Array,
  most: number,
  look: (seen: number) => void,
): readonly Link[] | undefined {
  const isReached = new Uint8Array(hands.length);
  // Links by the member that they lead to; those that hold most have none.
  const froms = new Int32Array(hands.length).fill(-1);
  const classes: TopicClass[] = [];
  const classAt = new Int32Array(hands.length);
  const tried = new Set<TopicClass>();
  const queue: number[] = [];
  for (const [member, load] of loads.entries()) {
    if (load !== most) continue;
    isReached[member] = 1;
    queue.push(member);
  }
  for (const from of queue) {
    for (const [by, { own, foreign }] of hands[from] ?? []) {
      look(1);
      if (tried.has(by) || own.length + foreign.length === 0) continue;
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
function pass({ isPrevious, isNear }: Pieces, hands: Hands, { from, by, to }: Link): void {
  const hand = hands[from]?.get(by);
  const taker = hands[to];
  assert(hand !== undefined && taker !== undefined, 'a chain leads over members, each of which has one of that class');
  const choices = hand.foreign.length > 0 ? hand.foreign : hand.own;
  const first = Math.max(0, choices.length - choicesMax);
  let best = first;
  let bestWorth = -1;
  for (let place = first; place < choices.length; place += 1) {
    const piece = choices[place] ?? 0;
    const worth = (isPrevious(to, piece) ? 4 : 0) + (isNear(to, piece) ? 2 : 0) + (isNear(from, piece) ? 0 : 1);
    if (worth > bestWorth) [best, bestWorth] = [place, worth];
  }
  const [piece] = choices.splice(best, 1);
  assert(piece !== undefined, 'whoever passes a piece on has one of that class');
  take(taker, by, piece, isPrevious(to, piece));
}
