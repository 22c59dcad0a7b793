import { setTimeout as pause } from 'node:timers/promises';
import { connect, type GroupConsumer, type Moldau } from '@moldau/client';
import type { Compose } from './compose.ts';

const coordinators = ['group-coordinator-1', 'group-coordinator-2'];
const topic = 'compose-check-group';
const group = 'compose-check';
const partitions = 6;
const recordsPerStep = 1_000;
const deliveredWithinMs = 60_000;

/** Two members share a topic while one group coordinator after the other is killed: every record comes, and is committed. */
export async function consumeInGroup(
  up: Compose,
  address: string,
  healthy: () => Promise<void>,
  say: (text: string) => void,
): Promise<void> {
  await using moldau = await connect({ endpoints: address });
  await moldau.admin.createTopic({ name: topic, partitions });
  const times = new Map<string, number>();
  const seen = async (consumer: GroupConsumer): Promise<void> => {
    for await (const { value } of consumer) times.set(value ?? '', (times.get(value ?? '') ?? 0) + 1);
  };
  const members = Array.from({ length: 2 }, () =>
    moldau.consumer({ group, topics: [topic], from: 'start', commit: '500ms' }),
  );
  const reading = Promise.all(members.map(seen));
  let written = 0;
  const writeAndWait = async (what: string): Promise<void> => {
    const since = performance.now();
    await write(moldau, written);
    written += recordsPerStep;
    while (times.size < written) {
      if (performance.now() - since > deliveredWithinMs)
        throw new Error(`${what}: ${times.size} of ${written} records have come after ${deliveredWithinMs} ms`);
      await Promise.race([pause(50), reading]);
    }
    say(`${what}: two members have ${written} records, ${Math.round(performance.now() - since)} ms later`);
  };
  await writeAndWait('consumed in a group');
  for (const name of coordinators) {
    await up.do('kill', '-s', 'SIGKILL', name);
    await writeAndWait(`${name} killed`);
    await up.do('up', '-d', name);
    await healthy();
  }
  await Promise.all(members.map((member) => member.close()));
  await reading;
  const twice = [...times.values()].filter((count) => count > 1).length;
  if (twice > 0) throw new Error(`${twice} records came twice, though no member died`);
  await isCommitted(moldau);
}

/** Nothing is left to read for the group. Throws when that is not so. */
export async function isAllCommitted(address: string): Promise<void> {
  await using moldau = await connect({ endpoints: address });
  await isCommitted(moldau);
}

async function isCommitted({ admin }: Moldau): Promise<void> {
  const positions = await admin.groupLag(group);
  const isAtEnd = positions.every(({ committed, end }) => committed !== undefined && committed === end);
  if (positions.length === partitions && isAtEnd) return;
  const told = positions.map(({ partition, committed, end }) => `${partition}: ${committed} of ${end}`);
  throw new Error(`group ${group} does not stand at the end: ${told.join(', ')}`);
}

async function write(moldau: Moldau, from: number): Promise<void> {
  await using producer = moldau.producer({ topic });
  for (let i = from; i < from + recordsPerStep; i += 1) await producer.push({ key: `k${i}`, value: `${i}` });
}
