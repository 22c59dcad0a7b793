import type { TopicId } from '@moldau/kernel';

/** One topic, as far as groups need it. */
export interface TopicView {
  readonly id: TopicId;
  readonly name: string;
  readonly partitions: number;
  /** By partition: the racks where it has a copy. Empty, or shorter than `partitions`: not known. */
  readonly racks: readonly (readonly string[])[];
}

/** The topics that there are. */
export class TopicsView {
  readonly byName: ReadonlyMap<string, TopicView>;
  readonly byId: ReadonlyMap<TopicId, TopicView>;

  constructor(topics: readonly TopicView[]) {
    this.byName = new Map(topics.map((topic) => [topic.name, topic]));
    this.byId = new Map(topics.map((topic) => [topic.id, topic]));
  }
}

/**
 * 64 bits of what matters of these topics to a group: ids and numbers of partitions. Racks are left out: a replica that moves
 * is no reason to rebalance.
 */
export function fingerprint(topics: Iterable<TopicView>): string {
  const lines = [...new Set(topics)].map(({ id, name, partitions }) => `${name} ${id} ${partitions}\n`).sort();
  let low = 0x811c9dc5;
  let high = 0x2f0b4a87;
  for (const line of lines) {
    for (let i = 0; i < line.length; i += 1) {
      low = Math.imul(low ^ line.charCodeAt(i), 0x01000193);
      high = Math.imul(high ^ line.charCodeAt(i) ^ (low >>> 15), 0x5bd1e995);
    }
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
