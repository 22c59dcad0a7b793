/** What a history is about: logs that are written and read, groups of readers, or logs that are compacted. */
export const kinds = ['log', 'groups', 'compaction'] as const;
export type Kind = (typeof kinds)[number];

/** Of six seeds two are of groups, and one of compaction. */
export function kindOf(seed: number): Kind {
  if (seed % 3 === 0) return 'groups';
  return seed % 6 === 1 ? 'compaction' : 'log';
}

/** So many seeds from the first on, of this kind; `undefined`: of any. */
export function* seedsOf(kind: Kind | undefined, first: number, count: number): Generator<number> {
  let left = count;
  for (let seed = first; left > 0; seed += 1) {
    if (kind !== undefined && kindOf(seed) !== kind) continue;
    left -= 1;
    yield seed;
  }
}
