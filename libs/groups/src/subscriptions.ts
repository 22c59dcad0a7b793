import { faults, MoldauError } from '@moldau/kernel';
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
  /** Nothing was left out. */
  readonly isWhole: boolean;
}

/** The first of them that have no more partitions than a subscription may. */
function within(all: readonly TopicView[]): Selected {
  let partitions = 0;
  const topics = all.filter((topic) => {
    partitions += topic.partitions;
    return partitions <= limits.partitionsMax;
  });
  return { topics, isWhole: topics.length === all.length };
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
   * By name, each once, as far as they have no more partitions than a subscription may. Topics of the system are selected by their
   * name only, never by an expression.
   */
  select(subscription: Subscription): readonly TopicView[] {
    return this.#selected(subscription).topics;
  }

  /** Throws INVALID_REQUEST when it selects more partitions than it may. Topics that come or grow later are left out where they are too many. */
  check(subscription: Subscription): void {
    if (this.#selected(subscription).isWhole) return;
    const problem = `hold more than ${limits.partitionsMax} partitions: share them among several groups`;
    throw faults.invalidRequest('topics', problem);
  }

  #selected({ topics, regex }: Subscription): Selected {
    const key = JSON.stringify([regex ?? null, topics]);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const named = topics.map((name) => this.topics.byName.get(name)).filter((topic) => topic !== undefined);
    const matched = regex === undefined ? [] : this.#match(regex);
    const all = [...new Set([...named, ...matched])].sort((a, b) => (a.name < b.name ? -1 : 1));
    const selected = within(all);
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
