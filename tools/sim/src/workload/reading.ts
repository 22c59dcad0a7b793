import type { ConsumedRecord, Consumer, Place } from '@moldau/client';
import { hasReason, type MoldauError } from '@moldau/kernel';
import { Violation } from '../oracle/violation.ts';
import { place } from '../oracle/write.ts';
import type { Person, World } from '../world.ts';
import { asMoldau } from './producing.ts';

/** Follows one partition from its start, through everything that happens, with nothing left out. */
export class Tail {
  readonly topic: string;
  readonly partition: number;
  readonly #world: World;
  readonly #person: Person;
  #next = 0n;
  #consumer: Consumer | undefined;
  #isClosed = false;

  constructor(world: World, name: string, topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
    this.#world = world;
    this.#person = world.person(name);
  }

  /** Everything that is committed was read, or can't be. */
  get isAtEnd(): boolean {
    const truth = this.#world.oracle.truth(place(this.topic, this.partition));
    return this.#next >= truth.highWatermark;
  }

  async run(): Promise<void> {
    let from: Place = 'start';
    while (!this.#isClosed) {
      const assignment = [{ topic: this.topic, partition: this.partition, from }];
      this.#consumer = this.#person.client.consumer({ assignment, buffer: 16 * 1024 });
      try {
        for await (const record of this.#consumer) this.#take(record);
      } catch (error) {
        from = await this.#after(asMoldau(error));
      }
      await this.#consumer.close();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#consumer?.close();
  }

  #take(record: ConsumedRecord<string, string>): void {
    requireNext(this.#world, record, this.#next);
    this.#world.oracle.read(record);
    this.#next = record.offset + 1n;
  }

  /** Where to go on. */
  async #after(error: MoldauError): Promise<Place> {
    const here = `${this.topic}/${this.partition}@${this.#next}`;
    this.#world.trace.note(`${this.#person.name} at ${here}: ${error.reason}`);
    if (hasReason(error, 'CORRUPT_DATA')) {
      this.#next = behindDamage(this.#world, this.topic, this.partition, error);
      return { offset: this.#next };
    }
    if (hasReason(error, 'OFFSET_OUT_OF_RANGE')) {
      const truth = this.#world.oracle.truth(place(this.topic, this.partition));
      if (this.#next >= truth.logStart && this.#next <= truth.highWatermark) {
        throw new Violation('I18', `${here} was refused, and lies within ${truth.logStart}…${truth.highWatermark}`);
      }
      return 'start';
    }
    if (!error.retriable && error.reason !== 'UNKNOWN_TOPIC') {
      throw new Violation('I18', `reading ${here} ended with ${error.reason}: ${error.message}`);
    }
    await this.#world.sleep(100, this.#person);
    return this.#next === 0n ? 'start' : { offset: this.#next };
  }
}

/** Reads partitions from their start to their end again and again: whatever was acknowledged before is in it. */
export async function scan(world: World, name: string, topic: string, partitions: number): Promise<void> {
  const person = world.person(name);
  while (world.isBusy) {
    await world.sleep(1_500 + world.random.below(6_000), person);
    await readWhole(world, person, topic, world.random.below(partitions));
  }
}

/** One bounded read. Returns the offsets that were read; `undefined`: it did not get through. */
export async function readWhole(
  world: World,
  person: Person,
  topic: string,
  partition: number,
): Promise<ReadonlySet<bigint> | undefined> {
  const truth = world.oracle.truth(place(topic, partition));
  const committed = truth.highWatermark;
  const found = new Set<bigint>();
  let next: bigint | undefined;
  for (;;) {
    try {
      const from = next === undefined ? 'start' : { offset: next };
      const options = { from, until: 'end', partitions: [partition] } as const;
      for await (const record of person.client.read(topic, options)) {
        if (next !== undefined) requireNext(world, record, next);
        world.oracle.read(record);
        found.add(record.offset);
        next = record.offset + 1n;
      }
      break;
    } catch (error) {
      const problem = asMoldau(error);
      world.trace.note(`${person.name} reads ${topic}/${partition}@${next ?? 'start'}: ${problem.reason}`);
      if (!hasReason(problem, 'CORRUPT_DATA')) {
        if (problem.retriable || problem.reason === 'OFFSET_OUT_OF_RANGE') return undefined;
        throw new Violation('I18', `reading ${topic}/${partition} ended with ${problem.reason}: ${problem.message}`);
      }
      next = behindDamage(world, topic, partition, problem);
    }
  }
  if ((next ?? truth.logStart) < committed) {
    throw new Violation('lost', `a read of ${topic}/${partition} ended at ${next}, and ${committed} was committed`);
  }
  return found;
}

/** Records come one after the other, but for what was removed or is damaged. */
function requireNext(world: World, { topic, partition, offset }: ConsumedRecord<string, string>, next: bigint): void {
  if (offset === next) return;
  const truth = world.oracle.truth(place(topic, partition));
  if (offset < next) throw new Violation('I18', `${topic}/${partition} went back from ${next} to ${offset}`);
  for (let missing = next; missing < offset; missing += 1n) {
    if (missing < truth.trimAskedTo || truth.isWounded(missing)) continue;
    throw new Violation('I18', `${topic}/${partition} went from ${next} to ${offset}, and ${missing} was not removed`);
  }
}

/** Where a damaged range ends. A range that nobody has damaged is a loss. */
function behindDamage(world: World, topic: string, partition: number, error: MoldauError<'CORRUPT_DATA'>): bigint {
  const truth = world.oracle.truth(place(topic, partition));
  const from = BigInt(error.fields.from ?? -1);
  const to = BigInt(error.fields.to ?? -1);
  if (from < 0n || from >= to) {
    throw new Violation('I18', `a damaged range of ${topic}/${partition} is said to be ${from}…${to}`);
  }
  for (let offset = from; offset < to; offset += 1n) {
    if (truth.isWounded(offset) || offset < truth.trimAskedTo) continue;
    throw new Violation('lost', `${topic}/${partition}@${offset} is refused as damaged, and nobody has damaged it`);
  }
  return to;
}
