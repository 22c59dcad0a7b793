import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { SeededRandom } from '@moldau/testing';
import test from 'ava';
import { Member, Ownership } from './support/member.ts';
import { shardOfGroup, world } from './support/world.ts';

const seeds = [21, 22, 23];
const names = ['a', 'b', 'c'];

for (const seed of seeds) {
  test(`shards move, streams break, processes stand still: members go on, and nothing is committed backwards (seed ${seed})`, async (t) => {
    const random = new SeededRandom(seed);
    const { cluster, time, client, table, members, coordinator, channelTo } = await world();
    table.give(21);
    const places = [await coordinator(21), await coordinator(22)];
    const producer = client.producer({ topic: 't', linger: 0 });
    for (let partition = 0; partition < 8; partition += 1) {
      for (let i = 0; i < 20; i += 1) await time.run(producer.send({ partition, value: 'v' }));
    }
    const ownership = new Ownership();
    const all = names.map((name) => new Member(name, { group: 'g', topics: ['t'] }, ownership));
    const pick = <T>(some: readonly T[]): T => some[Math.floor(random.next() * some.length)] as T;
    const open = (member: Member): void => void member.open(channelTo(pick(places).address, member.name));
    for (const member of all) {
      open(member);
      members.add(member);
    }
    const position = new Map<string, bigint>();
    let moves = 0;
    let commits = 0;
    for (let turn = 0; turn < 150; turn += 1) {
      for (const member of all) {
        if (member.stream?.isOver === true) open(member);
        const [partition] = [...member.owned.keys()].filter(() => random.chance(0.3));
        const next = partition === undefined ? 0n : (position.get(partition) ?? 0n) + 1n;
        if (partition === undefined || next > 20n || member.stream?.isOver === true) continue;
        position.set(partition, next);
        commits += 1;
        member.commit(partition, next, BigInt(commits));
      }
      if (random.chance(0.05)) {
        table.give(pick([21, 22]), [shardOfGroup('g')]);
        moves += 1;
      }
      if (random.chance(0.08)) cluster.network.cut(pick(names), pick(places).address);
      const place = pick(places);
      if (random.chance(0.04)) {
        place.pause();
        await time.runFor(random.next() * 4_000);
        place.resume();
        place.hears();
      }
      await time.runFor(random.next() * 200);
    }
    for (let i = 0; i < 100 && !all.every(({ owned, stream }) => stream?.isOver === false && owned.size > 0); i += 1) {
      for (const member of all) if (member.stream?.isOver === true) open(member);
      await time.runFor(500);
    }
    await time.runUntil(() => all.reduce((sum, { owned }) => sum + owned.size, 0) === 8);
    t.deepEqual(ownership.conflicts, []);
    t.deepEqual(
      all.map(({ fencedBy }) => fencedBy),
      names.map(() => undefined),
      'nobody is fenced who was never away for long',
    );
    const owner = table.owner(shardOfGroup('g'))?.node === 21 ? places[0] : places[1];
    const admin = channelTo(owner?.address ?? '', 'admin');
    const { offsets } = await time.run(admin.unary(GroupService.method.getOffsets, { group: 'g' }));
    for (const { partition, offset = 0n } of offsets) {
      const name = `${partition?.topicId}/${partition?.partition}`;
      t.true(offset <= (position.get(name) ?? 0n), name);
      t.true(
        offset >= (ownership.committed.get(name) ?? 0n),
        `${name}: ${offset} is committed, and more was said to be`,
      );
    }
    t.true([...ownership.committed.values()].some((offset) => offset > 3n));
    t.log(`${commits} commits, ${moves} moves`);
  });
}
