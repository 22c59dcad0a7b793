import { hasReason, MoldauError } from '@moldau/kernel';
import { type GetOffsetsResponse, GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import type { Channel } from '@moldau/rpc';
import { groupPlace } from '../oracle/watched-member.ts';
import type { Person, World } from '../world.ts';
import type { GroupUnderTest } from './group-under-test.ts';

const timeoutMs = 4_000;

/** Group coordinators, straight: whoever believes to have a group answers for it. */
export class Askers {
  readonly #world: World;
  readonly #person: Person;
  readonly #channels: readonly Channel[];

  constructor(world: World, name: string) {
    this.#world = world;
    this.#person = world.person(name);
    const dialer = world.cluster.network.dialer(name);
    this.#channels = world.cluster.groupCoordinators.map(({ address }) => dialer.dial(address, 'control'));
  }

  get person(): Person {
    return this.#person;
  }

  any(): Channel {
    const { random } = this.#world;
    const channel = this.#channels[random.below(this.#channels.length)];
    if (channel === undefined) throw new Error('there is no group coordinator');
    return channel;
  }

  /** What the group has committed. `undefined`: nobody said it. */
  async offsets(group: string): Promise<GetOffsetsResponse | undefined> {
    try {
      return await this.any().unary(GroupService.method.getOffsets, { group, partitions: [] }, { timeoutMs });
    } catch (error) {
      requireUsual(error);
      return undefined;
    }
  }
}

/** Asks again and again where a group stands. */
export async function askForOffsets(world: World, name: string, group: GroupUnderTest): Promise<void> {
  const askers = new Askers(world, name);
  while (world.isBusy) {
    const question = group.oracle.asks();
    const answer = await askers.offsets(group.name);
    if (answer !== undefined) {
      world.trace.note(`${name} is answered`);
      const found = answer.offsets.map(({ partition, offset = 0n }) => [groupPlace(partition ?? {}), offset] as const);
      group.oracle.answered(question, name, new Map(found));
    }
    await world.sleep(world.random.below(500), askers.person);
  }
}

/** Commits under the name of members that do not have the partition, or not any more. Must be refused. */
export async function commitForOthers(world: World, name: string, group: GroupUnderTest): Promise<void> {
  const askers = new Askers(world, name);
  const { random } = world;
  while (world.isBusy) {
    await world.sleep(random.below(1_500), askers.person);
    const { oracle, places } = group;
    const place = places[random.below(places.length)] ?? '';
    const members = [...oracle.members].filter((member) => member.epoch > 1);
    const impostor = members[random.below(members.length)];
    const owner = oracle.ownerOf(place);
    // What a member had, and nobody has now, is its own until the coordinator is sure that it is dead.
    const isForeign = owner === undefined ? impostor?.hasHad(place) === false : owner !== impostor;
    if (impostor === undefined || !isForeign) continue;
    const [topicId, partition] = place.split('/');
    // Under its last epoch it may be about to be given just this one.
    const memberEpoch = impostor.epoch - 1;
    const at = { partition: { topicId: topicId ?? '', partition: Number(partition) }, offset: 0n };
    const request = { group: group.name, memberId: impostor.memberId, memberEpoch, offsets: [at] };
    const saidMs = world.cluster.time.monotonicMs();
    try {
      const { failures } = await askers.any().unary(GroupService.method.commitOffsets, request, { timeoutMs });
      world.trace.note(`${name} for ${impostor.memberId} to ${place}: ${failures.length === 0 ? 'ok' : 'refused'}`);
      if (failures.length === 0) oracle.requireNotForeign(impostor.memberId, place, saidMs);
    } catch (error) {
      requireUsual(error);
    }
  }
}

/** Moves the group back to the start, although it has members. */
export async function seekBack(world: World, name: string, group: GroupUnderTest): Promise<void> {
  const askers = new Askers(world, name);
  const { random, trace } = world;
  const targets = group.places.map((place) => {
    const [topicId, partition] = place.split('/');
    const start = { at: { case: 'earliest', value: {} } } as const;
    return {
      partition: { topicId: topicId ?? '', partition: Number(partition) },
      to: { case: 'position', value: start } as const,
    };
  });
  while (world.isBusy) {
    await world.sleep(500 + random.below(4_000), askers.person);
    group.oracle.seekBegins();
    try {
      await askers
        .any()
        .unary(GroupService.method.seekGroup, { group: group.name, targets, force: true }, { timeoutMs });
      trace.note(`${name} has moved ${group.name} to its start`);
    } catch (error) {
      const { reason, outcome } = requireUsual(error);
      trace.note(`${name} ${outcome} ${reason}`);
      // It may be carried out whenever it arrives.
      if (outcome === 'UNKNOWN') return;
    }
    group.oracle.seekEnds();
  }
}

/** What is asked of one that is dying, asleep or no coordinator is answered with an error: with no bug. */
export function requireUsual(error: unknown): MoldauError {
  if (!(error instanceof MoldauError) || hasReason(error, 'INTERNAL')) throw error;
  return error;
}
