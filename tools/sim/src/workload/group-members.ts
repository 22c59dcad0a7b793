import type { GroupConsumer } from '@moldau/client';
import type { Timers } from '@moldau/kernel';
import { Violation } from '../oracle/violation.ts';
import { groupPlace } from '../oracle/watched-member.ts';
import type { Person, World } from '../world.ts';
import type { GroupUnderTest } from './group-under-test.ts';
import { asMoldau } from './producing.ts';
import { type SaidFrame, type StreamWatch, watchedDialer } from './watched-dialer.ts';

/** One place in the group: a member after the other, each in a process of its own, which leaves, or dies. */
export class MemberSlot {
  readonly #world: World;
  readonly #group: GroupUnderTest;
  readonly #name: string;
  readonly #isFickle: boolean;
  /** All its members have one instance id. `undefined`: none has one. */
  readonly #instanceId: string | undefined;
  #lives = 0;
  #consumer: GroupConsumer | undefined;

  /** `isFickle`: its members leave as soon as they have joined. */
  constructor(world: World, group: GroupUnderTest, name: string, isFickle: boolean) {
    this.#world = world;
    this.#group = group;
    this.#name = name;
    this.#isFickle = isFickle;
    this.#instanceId = !isFickle && world.random.chance(0.3) ? name : undefined;
  }

  /** While faults last, members come and go. The last one stays. */
  async run(): Promise<void> {
    const { random } = this.#world;
    for (;;) {
      this.#lives += 1;
      const person = this.#person();
      const life = new Life();
      const living = this.#live(person, life);
      const livesMs = this.#isFickle ? random.below(900) : random.chance(0.3) ? 60_000 : 1_000 + random.below(9_000);
      while (this.#world.isBusy && life.ageMs < livesMs && !life.isOver) {
        await this.#world.sleep(100);
        life.ageMs += 100;
      }
      if (!this.#world.isBusy && !life.isOver) return;
      if (random.chance(this.#isFickle ? 0.9 : 0.5)) await this.#leave(person, life, living);
      else this.#die(person, life);
      await this.#world.sleep(random.below(this.#isFickle ? 400 : 3_000));
    }
  }

  async close(): Promise<void> {
    await this.#consumer?.close().catch(asMoldau);
  }

  #person(): Person {
    const { random } = this.#world;
    const isTardy = random.chance(0.4);
    const manner = { isTardy, isTerse: !isTardy && random.chance(0.5), isEager: !isTardy && random.chance(0.5) };
    const person: Person = this.#world.person(`${this.#name}.${this.#lives}`, (dialer) =>
      watchedDialer(dialer, () => this.#watch(manner, () => person.timers)),
    );
    return person;
  }

  /** Follows one consumer until it ends. */
  async #live(person: Person, life: Life): Promise<void> {
    const { random, trace } = this.#world;
    const paceMs = random.chance(0.3) ? 400 : random.below(40);
    const consumer = person.client.consumer({
      group: this.#group.name,
      topics: this.#group.topics,
      from: 'start',
      commit: 200 + random.below(3_000),
      buffer: '32KiB',
      revokeTimeout: 200 + random.below(4_000),
      rebalanceTimeout: '30s',
      assignor: random.chance(0.5) ? 'uniform' : 'range',
      ...(this.#instanceId !== undefined && { instanceId: this.#instanceId }),
    });
    this.#consumer = consumer;
    try {
      for await (const { topic, partition, offset } of consumer) {
        if (life.isOver) return;
        this.#group.given(consumer.memberId, topic, partition, offset);
        if (random.chance(0.3)) await this.#world.sleep(this.#world.isHealed ? 1 : random.below(paceMs + 1), person);
        if (life.isOver) return;
      }
    } catch (error) {
      if (error instanceof Violation) return this.#world.fail(error);
      const { reason, message } = asMoldau(error);
      if (life.isOver) return;
      if (reason === 'INTERNAL') throw new Violation('bug', `${person.name} was answered ${message}`);
      trace.note(`${person.name} ends with ${reason}`);
    }
    life.isOver = true;
  }

  async #leave(person: Person, life: Life, living: Promise<void>): Promise<void> {
    this.#world.trace.note(`${person.name} leaves`);
    const leaving = this.#world.background(async () => {
      await this.#consumer?.close().catch(asMoldau);
      await living;
    });
    for (let waitedMs = 0; waitedMs < 10_000 && !leaving.isOver; waitedMs += 100) await this.#world.sleep(100);
    // Whoever takes over an instance id makes sure that nobody else has it.
    if (this.#instanceId !== undefined) this.#die(person, life);
    life.isOver = true;
  }

  #die(person: Person, life: Life): void {
    this.#world.trace.note(`${person.name} dies`);
    life.isOver = true;
    person.timers.kill();
    this.#world.cluster.network.crash(person.name);
  }

  /** As the contract allows a client to be, though ours is not. */
  #watch({ isTerse, isEager, isTardy }: Manner, timers: () => Timers): StreamWatch {
    const { oracle } = this.#group;
    const { random } = this.#world;
    let memberId = '';
    let owned: readonly string[] | undefined;
    return {
      said: (frame, later) => {
        if (frame.case === 'hello') memberId = frame.value.memberId ?? '';
        this.#guarded(() => oracle.said(memberId, frame));
        const before = owned;
        owned = ownedIn(frame) ?? owned;
        // What is unchanged need not be said.
        const isSame = isTerse && frame.case === 'ack' && before !== undefined && owned?.join() === before.join();
        const words: SaidFrame = isSame ? { case: 'ack', value: { assignment: frame.value.assignment ?? 0n } } : frame;
        const isMore = frame.case === 'ack' && (owned?.length ?? 0) > (before?.length ?? 0);
        if (!isTardy || !isMore || this.#world.isHealed) return words;
        timers().after(100 + random.below(2_500), () => later(words));
        return undefined;
      },
      heard: (frame) => {
        this.#guarded(() => oracle.heard(memberId, frame));
        // It has heard of it, and still owns what it owned, what it is about to give up among that.
        return isEager && frame.case === 'assignment'
          ? { case: 'ack', value: { assignment: frame.value.number } }
          : undefined;
      },
    };
  }

  /** What the client would take for an error of the stream ends the history. */
  #guarded(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#world.fail(error);
    }
  }
}

interface Manner {
  /** What is unchanged is not said. */
  readonly isTerse: boolean;
  /** An assignment is acknowledged before anything is given up. */
  readonly isEager: boolean;
  /** One that brings something is acknowledged late, whatever is said meanwhile. */
  readonly isTardy: boolean;
}

/** One consumer's. */
class Life {
  ageMs = 0;
  isOver = false;
}

function ownedIn(frame: SaidFrame): readonly string[] | undefined {
  if (frame.case !== 'ack' && frame.case !== 'hello') return undefined;
  return frame.value.owned?.partitions?.map(groupPlace).sort();
}
