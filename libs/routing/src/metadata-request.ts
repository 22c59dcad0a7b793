import { faults } from '@moldau/kernel';
import type { MetadataSource } from './metadata-source.ts';

const namesMax = 1_000;
const partitionsInAnswerMax = 10_000;

/** Throws INVALID_REQUEST when a request names more topics than one may. */
export function checkNames(names: readonly string[]): void {
  if (names.length > namesMax) throw faults.invalidRequest('topics', `are ${names.length}: at most ${namesMax}`);
}

/** The topics that a `GetMetadata` asks for and that exist, each once. Throws INVALID_REQUEST when all of them are too many. */
export function wantedTopics<N extends { readonly id: number }, T extends { readonly id: string }>(
  source: MetadataSource<N, T>,
  request: { readonly topics: readonly string[]; readonly topicIds: readonly string[]; readonly allTopics: boolean },
): T[] {
  if (request.allTopics) return allTopics(source);
  const named = [
    ...request.topics.map((name) => source.topicByName(name)),
    ...request.topicIds.map((id) => source.topic(id)),
  ];
  return [...new Set(named.filter((topic) => topic !== undefined))];
}

function allTopics<N extends { readonly id: number }, T extends { readonly id: string }>(
  source: MetadataSource<N, T>,
): T[] {
  const topics = [...source.topics()];
  let partitions = 0;
  for (const topic of topics) partitions += source.partitionCount(topic);
  if (partitions > partitionsInAnswerMax) {
    throw faults.invalidRequest(
      'all_topics',
      `are ${partitions} partitions, too many for one answer: use WatchMetadata`,
    );
  }
  return topics;
}
