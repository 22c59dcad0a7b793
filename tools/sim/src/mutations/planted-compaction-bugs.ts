import type { PlantedBug } from './planted-bug.ts';

/** Bugs of compaction. */
export const plantedCompactionBugs: readonly PlantedBug[] = [
  {
    name: 'compacted-above-the-high-watermark',
    kind: 'compaction',
    patches: [
      {
        file: 'log/src/compaction/compaction-plan.ts',
        from: '      segment.nextOffset > state.highWatermark ||\n',
        to: '',
      },
    ],
  },
  {
    name: 'swapped-before-it-is-synced',
    kind: 'compaction',
    patches: [
      {
        file: 'log/src/compaction/fresh-segment.ts',
        from: 'await this.#file.sync();\n    await this.#close();',
        to: 'await this.#close();',
      },
    ],
  },
  {
    name: 'tombstone-dropped-at-once',
    kind: 'compaction',
    patches: [
      {
        file: 'log/src/compaction/batch-filter.ts',
        from: 'return !(record.isTombstone && header.hasDeleteHorizon && header.baseTimestamp < this.#now.earliestMs);',
        to: 'return !record.isTombstone;',
      },
    ],
  },
];
