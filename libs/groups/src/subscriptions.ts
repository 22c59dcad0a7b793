import { faults, MoldauError, type TopicId } from '@moldau/kernel';
import { RE2JS } from 're2js';
import type { Subscription } from './group-records.ts';
import { limits } from './limits.ts';
import type { TopicsView, TopicView } from './topics.ts';

/** Instructions of a compiled expression: what matching one character may cost. */
const programSizeMax = 1_000;
/** Subscriptions that are remembered. Beyond it all are worked out again. */
const remembered = 4_096;
const internalPrefix = '__';

/** Compiles an expression that must match a whole name, in time linear in its length: INVALID_REGEX. */
export function compileTopicRegex(regex: string): (name: string) => boolean {
  try {
    const compiled = RE2JS.compile(regex);
    if (compiled.programSize() > programSizeMax) {
      throw faults.invalidRegex(regex, `it unfolds to more than ${programSizeMax} steps`);
    }
    return (name) => compiled.matches(name);
  } catch (error) {
    if (error instanceof MoldauError) throw error;
    throw faults.invalidRegex(regex, error instanceof Error ? error.message : String(error));
  }
}

interface Selected {
  readonly topics: readonly TopicView[];
  readonly partitions: number;
}

/** Which topics subscriptions select, of those that there are now. Equal subscriptions get the same list. */
export class Subscriptions {
  readonly topics: TopicsView;
  readonly #lists = new Map<string, Selected>();
  readonly #matches = new Map<string, readonly TopicView[]>();

  constructor(topics: TopicsView) {
    this.topics = topics;
  }

  /**
   * By name, each once. Topics of the system are selected by their name only, never by an expression. Of more partitions than a
   * subscription may have, those of topics that it has already (`has`, asked only then) come first, and others are left out.
   */
  select(subscription: Subscription, has: () => ReadonlySet<TopicId>): readonly TopicView[] {
    const { topics, partitions } = this.#selected(subscription);
    return partitions <= limits.partitionsMax ? topics : fitting(topics, has());
  }

  /** Throws INVALID_REQUEST when all of them select more partitions than one group may share. Topics may come, or grow, later. */
  check(subscriptions: readonly Subscription[]): void {
    const lists = new Set(subscriptions.map((one) => this.#selected(one).topics));
    const topics = new Set([...lists].flat());
    if ([...topics].reduce((sum, { partitions }) => sum + partitions, 0) <= limits.partitionsMax) return;
    const problem = `hold more than ${limits.partitionsMax} partitions: share them among several groups`;
    throw faults.invalidRequest('topics', problem);
  }

  /** Whether both select the same. */
  areSame(one: Subscription, other: Subscription): boolean {
    return this.#selected(one) === this.#selected(other);
  }

  #selected({ topics, regex }: Subscription): Selected {
    const key = JSON.stringify([regex ?? null, topics]);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const named = topics.map((name) => this.topics.byName.get(name)).filter((topic) => topic !== undefined);
    const matched = regex === undefined ? [] : this.#match(regex);
    const all = [...new Set([...named, ...matched])].sort((a, b) => (a.name < b.name ? -1 : 1));
    const selected = { topics: all, partitions: all.reduce((sum, topic) => sum + topic.partitions, 0) };
    if (this.#lists.size >= remembered) this.#lists.clear();
    this.#lists.set(key, selected);
    return selected;
  }

  #match(regex: string): readonly TopicView[] {
    const known = this.#matches.get(regex);
    if (known !== undefined) return known;
    const matches = compileTopicRegex(regex);
    const matched = [...this.topics.byName.values()].filter(
      ({ name }) => !name.startsWith(internalPrefix) && matches(name),
    );
    if (this.#matches.size >= remembered) this.#matches.clear();
    this.#matches.set(regex, matched);
    return matched;
  }
}

/** As many partitions as may be: first those of topics that are there already, each from its first on. */
function fitting(topics: readonly TopicView[], has: ReadonlySet<TopicId>): readonly TopicView[] {
  const inOrder = [...topics.filter(({ id }) => has.has(id)), ...topics.filter(({ id }) => !has.has(id))];
  let left: number = limits.partitionsMax;
  const fit = inOrder.flatMap((topic) => {
    const partitions = Math.min(left, topic.partitions);
    left -= partitions;
    return partitions === 0 ? [] : [{ ...topic, partitions }];
  });
  return fit.sort((a, b) => (a.name < b.name ? -1 : 1));
}
