import type { World } from '../world.ts';
import { asMoldau } from './producing.ts';

/** Removes what is old, now and then. */
export async function trim(world: World, name: string, topic: string, partitions: number): Promise<void> {
  const { random, oracle, trace } = world;
  const person = world.person(name);
  while (world.isBusy) {
    await world.sleep(500 + random.below(4_000), person);
    const partition = random.below(partitions);
    const truth = oracle.truth(`${topic}/${partition}`);
    const span = Number(truth.highWatermark - truth.logStart);
    const before = truth.logStart + BigInt(random.below(span + 1));
    if (before > truth.trimAskedTo) truth.trimAskedTo = before;
    trace.note(`trim ${topic}/${partition} to ${before}`);
    try {
      await person.client.admin.trimPartition(topic, partition, before);
      if (before > truth.trimmedTo) truth.trimmedTo = before;
      trace.note(`trimmed ${topic}/${partition} to ${before}`);
    } catch (error) {
      trace.note(`not trimmed: ${asMoldau(error).reason}`);
    }
  }
}

const settings = [
  ['segment.bytes', ['64KiB', '256KiB', '1MiB']],
  ['segment.age', ['5s', '1m', '7d']],
  ['max.batch.bytes', ['16KiB', '64KiB', '1088KiB']],
  ['timestamp.type', ['create', 'append']],
  ['min.insync.replicas', ['1', '2']],
] as const;

/** Changes settings while they are used. */
export async function reconfigure(world: World, name: string, topics: readonly string[]): Promise<void> {
  const { random, trace } = world;
  const person = world.person(name);
  while (world.isBusy) {
    await world.sleep(1_000 + random.below(6_000), person);
    const topic = topics[random.below(topics.length)] ?? '';
    const [key, values] = settings[random.below(settings.length)] ?? settings[0];
    const value = values[random.below(values.length)] ?? values[0];
    trace.note(`${topic} ${key} = ${value}`);
    try {
      await person.client.admin.updateTopic(topic, { set: { [key]: value } });
    } catch (error) {
      trace.note(`not set: ${asMoldau(error).reason}`);
    }
  }
}
