import type { TopicView } from '../topics.ts';
import type { AssignorMember } from './assignor.ts';

/** Topics that the same members want. */
export interface TopicClass {
  /** By name. */
  readonly topics: readonly TopicView[];
  /** Places in the list of members, ascending. */
  readonly subscribers: readonly number[];
}

/** Members in the order in which assignors go through them: a static member keeps its place when it is replaced. */
export const inOrder = (members: readonly AssignorMember[]): AssignorMember[] => {
  const keyOf = ({ instance, id }: AssignorMember): string => (instance === undefined ? `m ${id}` : `i ${instance}`);
  const keyed = members.map((member) => ({ key: keyOf(member), member }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ member }) => member);
};

/** Topics by who wants them, in an order that only names decide. */
export function classesOf(members: readonly AssignorMember[]): TopicClass[] {
  // Members share their lists, so a thousand of them are a few lists in most groups.
  const byList = new Map<readonly TopicView[], number[]>();
  for (const [at, { topics }] of members.entries()) {
    const same = byList.get(topics);
    if (same === undefined) byList.set(topics, [at]);
    else same.push(at);
  }
  const lists = [...byList];
  const wantedBy = new Map<TopicView, number[]>();
  for (const [at, [topics]] of lists.entries()) {
    for (const topic of topics) {
      const wanted = wantedBy.get(topic);
      if (wanted === undefined) wantedBy.set(topic, [at]);
      else wanted.push(at);
    }
  }
  const classes = new Map<string, { topics: TopicView[]; lists: readonly number[] }>();
  for (const [topic, wanted] of wantedBy) {
    const key = wanted.join(' ');
    const same = classes.get(key);
    if (same === undefined) classes.set(key, { topics: [topic], lists: wanted });
    else same.topics.push(topic);
  }
  return [...classes.values()]
    .map(({ topics, lists: wanted }) => ({
      topics: topics.sort((a, b) => (a.name < b.name ? -1 : 1)),
      subscribers: wanted.flatMap((at) => lists[at]?.[1] ?? []).sort((a, b) => a - b),
    }))
    .sort((a, b) => ((a.topics[0]?.name ?? '') < (b.topics[0]?.name ?? '') ? -1 : 1));
}
