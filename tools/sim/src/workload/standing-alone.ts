import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { type Commit, CommittedRegister } from '../oracle/committed-register.ts';
import { place } from '../oracle/write.ts';
import type { World } from '../world.ts';
import { Askers, requireUsual } from './group-asking.ts';
import type { ReadTopic } from './group-under-test.ts';

const timeoutMs = 4_000;

/** Commits and seeks of a group without members, one after the other; others ask where it stands all the time. */
export async function standAlone(world: World, group: string, topic: ReadTopic): Promise<void> {
  const registers = Array.from(
    { length: topic.partitions },
    (_, index) => new CommittedRegister(`${group} on ${place(topic.name, index)}`),
  );
  const asking = [1, 2].map((n) => ask(world, new Askers(world, `${group}-asker-${n}`), group, registers));
  await Promise.all([write(world, new Askers(world, `${group}-writer`), group, topic, registers), ...asking]);
}

async function write(
  world: World,
  askers: Askers,
  group: string,
  topic: ReadTopic,
  registers: readonly CommittedRegister[],
): Promise<void> {
  const { random, oracle, trace } = world;
  for (let number = 0; world.isBusy; number += 1) {
    await world.sleep(random.below(250), askers.person);
    const index = random.below(topic.partitions);
    const register = registers[index];
    const end = Number(oracle.truth(place(topic.name, index)).highWatermark);
    const offset = BigInt(random.below(end + 1));
    const isSeek = random.chance(0.2);
    const commit = register?.begin(isSeek ? `${offset}` : `${offset} ${number}`);
    if (register === undefined || commit === undefined) return;
    const partition = { topicId: topic.id, partition: index };
    trace.note(`${group} ${isSeek ? 'seeks' : 'commits'} ${index}@${commit.text}`);
    try {
      const channel = askers.any();
      if (isSeek) {
        const position = { at: { case: 'offset', value: offset } } as const;
        const targets = [{ partition, to: { case: 'position', value: position } as const }];
        await channel.unary(GroupService.method.seekGroup, { group, targets }, { timeoutMs });
      } else {
        const offsets = [{ partition, offset, metadata: `${number}` }];
        const { failures } = await channel.unary(GroupService.method.commitOffsets, { group, offsets }, { timeoutMs });
        if (failures.length > 0) commit.state = 'refused';
      }
      if (commit.state === 'pending') register.ok(commit);
      trace.note(`${group} ${index}@${commit.text} ${commit.state}`);
    } catch (error) {
      const { outcome, reason } = requireUsual(error);
      commit.state = outcome === 'UNKNOWN' ? 'unknown' : 'refused';
      trace.note(`${group} ${index}@${commit.text} ${outcome} ${reason}`);
    }
  }
}

async function ask(
  world: World,
  askers: Askers,
  group: string,
  registers: readonly CommittedRegister[],
): Promise<void> {
  while (world.isBusy) {
    await world.sleep(world.random.below(400), askers.person);
    const before: (Commit | undefined)[] = registers.map(({ acknowledged }) => acknowledged);
    const answer = await askers.offsets(group);
    if (answer === undefined) continue;
    world.trace.note(`${askers.person.name} is answered`);
    for (const [index, register] of registers.entries()) {
      const found = answer.offsets.find(({ partition }) => partition?.partition === index);
      const metadata = found?.metadata === '' ? '' : ` ${found?.metadata}`;
      register.answered(before[index], found === undefined ? undefined : `${found.offset ?? ''}${metadata}`);
    }
  }
}
