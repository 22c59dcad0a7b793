import { create, toBinary } from '@bufbuild/protobuf';
import { WatchMetadataResponseSchema } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import test from 'ava';
import { change, type Message, node, snapshot, topic, viewOf, WatchedAddress, world } from './watched-address.ts';

const bytesOf = (message: Message): number =>
  toBinary(WatchMetadataResponseSchema, create(WatchMetadataResponseSchema, message)).length;

const leaders = (partitions: number, leader = 1): number[] => Array.from({ length: partitions }, () => leader);

for (const [topics, partitions] of [
  [1_000, 10],
  [1, 10_000],
] as const) {
  test.serial(`10 000 partitions in ${topics} topics: a change costs the topic that it touches`, async (t) => {
    const w = world();
    const a = new WatchedAddress('a', w);
    const view = viewOf(['a'], w);
    view.start();
    const all = Array.from({ length: topics }, (_, i) => topic(`topic-${i}`, leaders(partitions)));
    const snapshotFrom = performance.now();
    for (let at = 0; at < topics; at += 500) {
      const part = { complete: at + 500 >= topics, topics: all.slice(at, at + 500) };
      a.say(snapshot(1n, { ...part, ...(at === 0 && { nodes: [node(1), node(2)] }) }));
    }
    await w.time.runUntil(() => view.isKnown);
    const snapshotMs = performance.now() - snapshotFrom;
    const before = new Map([...view.topics()].map((known) => [known.id, known]));
    const changes = 20;
    const one = change(2n, { topics: [topic('topic-0', [2, ...leaders(partitions - 1)])] });
    const changesFrom = performance.now();
    for (let i = 0; i < changes; i += 1) a.say({ ...one, version: BigInt(2 + i) });
    await w.time.runUntil(() => view.version === BigInt(1 + changes));
    const changeMs = (performance.now() - changesFrom) / changes;
    const replaced = [...view.topics()].filter((known) => before.get(known.id) !== known);
    t.deepEqual(
      replaced.map(({ name }) => name),
      ['topic-0'],
    );
    t.is(view.topicByName('topic-0')?.partitions[0]?.leader, 2);
    t.log(
      `snapshot ${snapshotMs.toFixed(0)} ms; a change: ${bytesOf(one)} bytes on the wire, ${changeMs.toFixed(2)} ms with its encoding`,
    );
    await view.stop();
  });
}
