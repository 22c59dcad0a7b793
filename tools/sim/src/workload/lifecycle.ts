import { hasReason, MoldauError } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { Violation } from '../oracle/violation.ts';
import type { Person, World } from '../world.ts';
import { asMoldau } from './producing.ts';

const topic = 'scratch';

/**
 * Makes a topic, writes to it, reads it, deletes it, and makes it again under the same name: what is acknowledged in one
 * life is there until its end, and never in the next.
 */
export async function liveAndDie(world: World, name: string): Promise<void> {
  const person = world.person(name);
  for (let life = 1; world.isBusy; life += 1) {
    let id = '';
    await insist(world, person, 'create', async () => {
      ({ id } = await person.client.admin.createTopic(
        { name: topic, partitions: 1, replicas: world.replicas },
        { ifNotExists: true },
      ));
    });
    await oneLife(world, person, life, id);
    await insist(world, person, 'delete', async () => {
      try {
        await person.client.admin.deleteTopic(topic);
      } catch (error) {
        // An earlier attempt, whose answer was lost.
        if (!hasReason(error, 'UNKNOWN_TOPIC')) throw error;
      }
    });
  }
}

/** Names the topic by its id: to a node that has not heard of the deletion yet, the name still means the one before. */
async function oneLife(world: World, person: Person, life: number, id: string): Promise<void> {
  const { random } = world;
  const acknowledged = new Set<string>();
  const refused = new Set<string>();
  for (let number = 0; number < 4 + random.below(12) && world.isBusy; number += 1) {
    const value = `life ${life} number ${number}`;
    const records = [{ value: Buffer.from(value), headers: [] }];
    const leader = world.leaderOf(person, topic, 0);
    try {
      const request = { topic, topicId: id, partition: 0, records };
      await leader.unary(LogService.method.append, request, { timeoutMs: 3_000 });
      acknowledged.add(value);
      world.trace.note(`${value} ok`);
    } catch (error) {
      const { reason, outcome } = asMoldau(error);
      if (outcome === 'NOT_WRITTEN') refused.add(value);
      world.trace.note(`${value} ${outcome} ${reason}`);
    }
    await world.sleep(random.below(400), person);
  }
  const found = await readAll(world, person);
  if (found === undefined) return;
  const foreign = found.find((value) => !value.startsWith(`life ${life} `) || refused.has(value));
  if (foreign !== undefined) throw new Violation('I16', `${topic} holds ${foreign} in life ${life}`);
  const lost = [...acknowledged].find((value) => !found.includes(value));
  if (lost !== undefined) throw new Violation('lost', `${lost} was acknowledged, and is not there`);
  if (new Set(found).size !== found.length)
    throw new Violation('I17', `${topic} holds something twice in life ${life}`);
}

async function readAll(world: World, person: Person): Promise<string[] | undefined> {
  for (let tries = 0; tries < 20 && world.isBusy; tries += 1) {
    try {
      const found: string[] = [];
      for await (const record of person.client.read(topic, { until: 'end' })) found.push(record.value ?? '');
      return found;
    } catch (error) {
      if (hasReason(error, 'CORRUPT_DATA')) return undefined;
      asMoldau(error);
      await world.sleep(300, person);
    }
  }
  return undefined;
}

async function insist(world: World, person: Person, what: string, task: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await task();
      world.trace.note(`${what}d ${topic}`);
      return;
    } catch (error) {
      const { reason, retriable } = asMoldau(error);
      world.trace.note(`not ${what}d: ${reason}`);
      if (!world.isBusy) return;
      if (!retriable && !(error instanceof MoldauError && reason === 'NOT_ENOUGH_NODES')) {
        throw new Violation('liveness', `${topic} could not be ${what}d: ${reason}`);
      }
      await world.sleep(300, person);
    }
  }
}
