/** What a history is about: logs that are written and read, groups of readers, or logs that are compacted. */
export type Kind = 'log' | 'groups' | 'compaction';

/** Of six seeds two are of groups, and one of compaction. */
export function kindOf(seed: number): Kind {
  if (seed % 3 === 0) return 'groups';
  return seed % 6 === 1 ? 'compaction' : 'log';
}
