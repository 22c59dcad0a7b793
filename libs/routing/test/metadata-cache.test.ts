import type { MessageInitShape } from '@bufbuild/protobuf';
import { hasReason } from '@moldau/kernel';
import type { GetMetadataResponseSchema } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { Bootstrap, Connections, MetadataCache } from '@moldau/routing';
import test from 'ava';
import { node, topic, WatchedAddress, type World, world } from './watched-address.ts';

/** A cache that gets these answers, one after the other, the last for ever. */
function cacheOf(w: World, answers: MessageInitShape<typeof GetMetadataResponseSchema>[]): MetadataCache {
  new WatchedAddress('a', w, {
    getMetadata: async () => (answers.length > 1 ? answers.shift() : answers[0]) ?? {},
  });
  return new MetadataCache(
    new Bootstrap(['a'], { ...w.ports, connections: new Connections(w.network.dialer('client')) }),
  );
}

const options = { autoCreate: false, timeoutMs: 1_000 };
const nodes = [node(1), node(2)];

test('an answer that is older neither removes nor changes what is known', async (t) => {
  const w = world();
  const cache = cacheOf(w, [
    { clusterId: 'c', version: 9n, nodes, topics: [topic('x', [2])] },
    { clusterId: 'c', version: 8n, nodes },
    { clusterId: 'c', version: 7n, nodes, topics: [topic('x', [1])] },
    { clusterId: 'c', version: 10n, nodes },
  ]);
  for (let i = 0; i < 3; i += 1) {
    const known = await w.time.run(cache.refresh('x', options));
    t.is(known.partitions[0]?.leader, 2);
    t.is(cache.leader('x', 0)?.node, 2);
  }
  t.true(hasReason(await t.throwsAsync(w.time.run(cache.refresh('x', options))), 'UNKNOWN_TOPIC'));
  t.is(cache.known('x'), undefined);
});

test('another cluster at the address begins anew', async (t) => {
  const w = world();
  const cache = cacheOf(w, [
    { clusterId: 'c', version: 90n, nodes, topics: [topic('x', [1]), topic('y', [1])] },
    { clusterId: 'd', version: 2n, nodes: [node(7)], topics: [topic('x', [7])] },
  ]);
  await w.time.run(cache.refresh('x', options));
  t.is((await w.time.run(cache.refresh('x', options))).partitions[0]?.leader, 7);
  t.deepEqual(cache.leader('x', 0), { node: 7, address: 'node-7', epoch: 1 });
  t.is(cache.known('y'), undefined);
});
