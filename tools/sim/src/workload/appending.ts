import { type MoldauError, offset } from '@moldau/kernel';
import { type AppendResponse, LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { Violation } from '../oracle/violation.ts';
import type { Write } from '../oracle/write.ts';
import type { Person, World } from '../world.ts';
import { asMoldau } from './producing.ts';

/** How an append is asked for besides its record. */
interface Asked {
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly sequence?: number;
  readonly expectedOffset?: bigint;
}

/** One attempt: what came of it, without a throw. */
type Attempt = { readonly response: AppendResponse } | { readonly error: MoldauError };

const timeoutMs = 5_000;
/** An overloaded or full node says so at once. */
const refusalMaxMs = 100;

async function attempt(world: World, person: Person, write: Write, partition: number, asked: Asked): Promise<Attempt> {
  const { cluster, weather } = world;
  const records = [{ value: Buffer.from(write.text), headers: [] }];
  const began = cluster.time.monotonicMs();
  // A node has patience with a partition that it is about to open.
  const wasReady = weather.isCalm && world.isLed(write.topic, partition);
  const { pauses } = world;
  try {
    const request = { topic: write.topic, partition, records, timeoutMs: 4_000, ...asked };
    return {
      response: await world
        .leaderOf(person, write.topic, partition)
        .unary(LogService.method.append, request, { timeoutMs }),
    };
  } catch (error) {
    const refusal = asMoldau(error);
    const tookMs = cluster.time.monotonicMs() - began;
    const isAwake = pauses === world.pauses && !cluster.nodes.some(({ isPaused }) => isPaused);
    if (refusal.reason === 'OVERLOADED' && wasReady && weather.isCalm && isAwake && tookMs > refusalMaxMs) {
      throw new Violation('I23', `an overloaded node took ${tookMs} ms to say so`);
    }
    return { error: refusal };
  }
}

/** Appends without a producer: one attempt each, and whatever it says is the last word. */
export async function appendOnce(world: World, name: string, topic: string, partitions: number): Promise<void> {
  const { random, oracle } = world;
  const person = world.person(name);
  for (let number = 0; world.isBusy && number < 300; number += 1) {
    const burst = random.chance(0.03) ? 50 : 1;
    const bytes = burst > 1 ? 20_000 : 500;
    const attempts = Array.from({ length: burst }, async (_, i) => {
      const write = oracle.invoke(`${name}.${number}.${i}`, topic, random.below(bytes), undefined);
      const result = await attempt(world, person, write, random.below(partitions), {});
      if ('error' in result) oracle.failed(write, result.error);
      else oracle.ok(write, result.response.partition, result.response.baseOffset);
    });
    await Promise.all(attempts);
    await world.sleep(random.below(250), person);
  }
}

/** Compare-and-append: of all who believe in one end of the log, one may be right. */
export async function appendConditionally(world: World, name: string, topic: string): Promise<void> {
  const { random, oracle } = world;
  const person = world.person(name);
  let expected = 0n;
  for (let number = 0; world.isBusy && number < 300; number += 1) {
    const write = oracle.invoke(`${name}.${number}`, topic, random.below(300), undefined);
    const result = await attempt(world, person, write, 0, { expectedOffset: expected });
    if ('error' in result) {
      oracle.failed(write, result.error);
      const { actual } = result.error.fields;
      if (actual !== undefined) expected = offset(BigInt(actual));
    } else {
      if (result.response.baseOffset !== expected) {
        throw new Violation(
          'I18',
          `${write.id} was to be at ${expected} only, and is at ${result.response.baseOffset}`,
        );
      }
      oracle.ok(write, 0, expected);
      expected += 1n;
    }
    await world.sleep(random.below(250), person);
  }
}

/** A batch that was acknowledged, and how it was asked for. */
interface Done {
  readonly write: Write;
  readonly asked: Asked;
}

/** A leader knows the last five batches of a producer; one of them may be of an attempt whose answer was lost. */
const knownBatches = 4;
/** What may come in the way of the answer to a repetition; nothing else may. */
const hindrances = new Set<string>([
  'UNREACHABLE',
  'TIMED_OUT',
  'NOT_SERVING',
  'NOT_LEADER',
  'LEADERSHIP_LOST',
  'STORAGE_FAILED',
  'OVERLOADED',
  'UNKNOWN_TOPIC',
]);

/** Speaks the idempotent protocol by hand: repeats until it knows, and repeats what it knows already. */
export class RepeatingAppender {
  readonly #world: World;
  readonly #name: string;
  readonly #topic: string;
  readonly #partition: number;
  readonly #person: Person;
  #producer: { readonly id: bigint; readonly epoch: number } | undefined;
  #spent: { readonly producerId: bigint; readonly producerEpoch: number } | undefined;
  #sequence = 0;
  #done: Done[] = [];

  constructor(world: World, name: string, topic: string, partition: number) {
    this.#world = world;
    this.#name = name;
    this.#topic = topic;
    this.#partition = partition;
    this.#person = world.person(name);
  }

  async run(): Promise<void> {
    const { random, oracle } = this.#world;
    for (let number = 0; this.#world.isBusy && number < 400; number += 1) {
      const lane = { name: this.#name, number };
      await this.#append(oracle.invoke(`${this.#name}.${number}`, this.#topic, random.below(400), lane));
      if (random.chance(0.4)) await this.#repeat();
      await this.#world.sleep(random.below(250), this.#person);
    }
  }

  async #append(write: Write): Promise<void> {
    const { oracle, random } = this.#world;
    const producer = this.#producer ?? (await this.#identify());
    if (producer === undefined) {
      // Never sent.
      write.state = 'not-written';
      return;
    }
    const asked = { producerId: producer.id, producerEpoch: producer.epoch, sequence: this.#sequence };
    let isDoubtful = false;
    for (let tries = 1; ; tries += 1) {
      const result = await attempt(this.#world, this.#person, write, this.#partition, asked);
      if ('response' in result) {
        oracle.ok(write, this.#partition, result.response.baseOffset);
        this.#sequence += 1;
        this.#done = [...this.#done, { write, asked }].slice(-knownBatches);
        return;
      }
      isDoubtful ||= result.error.outcome === 'UNKNOWN';
      if (tries < 25 && result.error.retriable) {
        if (random.chance(0.3)) await this.#repeat();
        await this.#world.sleep(20 + random.below(400), this.#person);
        continue;
      }
      oracle.failed(write, result.error, isDoubtful ? 'UNKNOWN' : 'NOT_WRITTEN');
      this.#giveUp();
      return;
    }
  }

  /** What was acknowledged is acknowledged again, with the same offset, whatever else the node has to complain of. */
  async #repeat(): Promise<void> {
    const { oracle, random } = this.#world;
    const again = this.#done[random.below(this.#done.length)];
    if (again === undefined) return;
    const result = await attempt(this.#world, this.#person, again.write, this.#partition, again.asked);
    if ('response' in result) return oracle.ok(again.write, this.#partition, result.response.baseOffset);
    if (hindrances.has(result.error.reason)) return;
    const { damages } = oracle.truth(`${this.#topic}/${this.#partition}`);
    // Who the producers were may have been rebuilt from a log that was damaged on purpose.
    if (damages.length > 0 && result.error.reason === 'UNKNOWN_PRODUCER') return;
    throw new Violation(
      'I17',
      `${again.write.id} was acknowledged, and its repetition is answered ${result.error.reason}`,
    );
  }

  /** A gap in the sequence: the next batch begins a new epoch. */
  #giveUp(): void {
    if (this.#producer !== undefined) {
      this.#spent = { producerId: this.#producer.id, producerEpoch: this.#producer.epoch };
    }
    this.#producer = undefined;
    this.#sequence = 0;
    this.#done = [];
  }

  async #identify(): Promise<{ readonly id: bigint; readonly epoch: number } | undefined> {
    while (this.#world.isBusy) {
      try {
        const anyone = this.#world.leaderOf(this.#person, this.#topic, this.#partition);
        const init = await anyone.unary(LogService.method.initProducer, this.#spent ?? {}, { timeoutMs });
        this.#producer = { id: init.producerId, epoch: init.producerEpoch };
        return this.#producer;
      } catch (error) {
        asMoldau(error);
        await this.#world.sleep(200, this.#person);
      }
    }
    return undefined;
  }
}
