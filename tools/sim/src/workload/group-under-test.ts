import { GroupOracle } from '../oracle/group-oracle.ts';
import { groupPlace } from '../oracle/watched-member.ts';
import type { World } from '../world.ts';

/** A topic that the group reads. */
export interface ReadTopic {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
}

/** The group whose members come and go, and what it reads. */
export class GroupUnderTest {
  readonly name: string;
  readonly oracle: GroupOracle;
  readonly read: readonly ReadTopic[];
  readonly #world: World;

  constructor(world: World, name: string, read: readonly ReadTopic[]) {
    this.#world = world;
    this.name = name;
    this.read = read;
    this.oracle = new GroupOracle(world.trace, () => world.cluster.time.monotonicMs());
  }

  get topics(): string[] {
    return this.read.map(({ name }) => name);
  }

  /** Every partition of it, by the name that groups have for it. */
  get places(): string[] {
    return this.read.flatMap(({ id, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => groupPlace({ topicId: id, partition })),
    );
  }

  placeOf(topic: string, partition: number): string {
    const topicId = this.read.find(({ name }) => name === topic)?.id ?? topic;
    return groupPlace({ topicId, partition });
  }

  given(memberId: string, topic: string, partition: number, offset: bigint): void {
    this.oracle.given(memberId, this.placeOf(topic, partition), offset);
  }

  /** What was acknowledged to a producer, and no member was given yet. */
  get missing(): string[] {
    return [...this.#world.oracle.writes].flatMap(({ id, state, topic, partition, offset }) => {
      if (state !== 'ok' || partition === undefined || offset === undefined || !this.topics.includes(topic)) return [];
      return this.oracle.isGiven(this.placeOf(topic, partition), offset) ? [] : [id];
    });
  }

  /** Whether every partition has somebody who works on it. */
  get isShared(): boolean {
    return this.places.every((place) => this.oracle.ownerOf(place) !== undefined);
  }
}
