import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { SeededRandom, type SimulatedNode } from '@moldau/testing';
import test from 'ava';
import { CollectingMeter, threeCopies } from './three-copies.ts';

const config = { cleanup: 'compact', 'segment.bytes': '64KiB', 'delete.retention': '0ms' };
const findings = 'moldau_storage_node_scrub_findings_total';
const unsettled = 200 * 1024;

/** A compacted topic on three nodes, and what a reader of any of them gets of it. */
async function compacted(meter = new CollectingMeter()) {
  const world = await threeCopies(config, { meter: () => meter, scrubIntervalMs: 20_000 });
  const random = new SeededRandom(7);
  const producer = world.client.producer({ topic: 't', linger: 0 });
  const send = (key: string, value: string | null) => world.time.run(producer.send({ partition: 0, key, value }));
  /** Ten records a key, each with its number, and a kilobyte that no compression makes smaller. */
  const fill = async (keys: readonly string[], rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i += 1) {
      for (const key of keys) await send(key, `${i} ${Buffer.from(random.bytes(1_000)).toString('base64')}`);
    }
  };
  const read = async ({ address }: SimulatedNode, from?: bigint): Promise<string[]> => {
    const seen: string[] = [];
    const parts = world.cluster.network.dialer('app').dial(address, 'data');
    const position = from === undefined ? {} : { from: { at: { case: 'offset' as const, value: from } } };
    const reading = async (): Promise<void> => {
      const request = { topic: 't', anyReplica: true, ...position };
      for await (const { records } of parts.serverStream(LogService.method.read, request)) {
        for (const { offset, key, value } of records) {
          const text = value === undefined ? 'null' : Buffer.from(value).toString().split(' ')[0];
          seen.push(`${offset} ${Buffer.from(key ?? []).toString()}=${text}`);
        }
      }
    };
    await world.time.run(reading());
    return seen;
  };
  const sizeOn = (node: SimulatedNode): number => world.partitionOn(node).log.sizeBytes;
  const running = () => world.cluster.nodes.filter(({ isRunning }) => isRunning);
  const settled = (): Promise<void> =>
    world.time.runUntil(() => running().every((node) => sizeOn(node) < unsettled), 1_200_000);
  return { ...world, meter, send, fill, read, settled, running };
}

/** Of each key what was read last. */
const newestOf = (records: readonly string[]): string[] => {
  const newest = new Map(records.map((record) => [record.split(/[ =]/)[1], record]));
  return [...newest.values()].filter((record) => !record.endsWith('=null')).sort();
};

test('a topic of cleanup = compact is compacted on all its copies, and they are not taken for different ones', async (t) => {
  const world = await compacted();
  await world.fill(['a', 'b', 'c'], 120);
  await world.converged();
  const before = await world.read(world.leader());
  t.is(before.length, 360);
  await world.settled();
  for (const node of world.running()) {
    const records = await world.read(node);
    t.true(records.length < 200, `${records.length} are left`);
    t.deepEqual(newestOf(records), newestOf(before));
    // What is in the cache has not been compacted.
    t.deepEqual(newestOf(await world.read(node, 300n)), newestOf(before));
  }
  t.true(world.meter.of('moldau_log_compactions_total') >= 3);
  t.true(world.meter.of('moldau_log_compaction_removed_bytes_total') > 3 * unsettled);
  await world.fill(['a', 'd'], 40);
  await world.converged();
  await world.time.runFor(120_000);
  t.is(world.meter.of(`${findings} diverged`), 0);
  t.is(world.meter.of(`${findings} damaged`), 0);
});

test('a follower that slept through the end of a tombstone begins anew, and forgets what was deleted', async (t) => {
  const world = await compacted();
  await world.send('deleted', 'x');
  await world.fill(['a', 'b'], 20);
  await world.converged();
  const [sleeper] = world.followers();
  if (sleeper === undefined) throw new Error('nobody follows');
  sleeper.kill('kill');
  await world.send('deleted', null);
  await world.fill(['a', 'b', 'c'], 100);
  await world.settled();
  // The tombstone is found, and may go; what was before it is gone with the same compaction. It goes with the next one.
  await world.time.runUntil(
    () => world.running().every((node) => world.partitionOn(node).log.tombstoneEnd > 0n),
    1_200_000,
  );
  await world.time.run(sleeper.start());
  await world.converged();
  const records = await world.read(sleeper);
  t.false(records.some((record) => record.includes('deleted')));
  t.deepEqual(newestOf(records), newestOf(await world.read(world.leader())));
  t.is(world.partitionOn(sleeper).log.tombstoneEnd, world.partitionOn(world.leader()).log.tombstoneEnd);
  sleeper.kill('kill');
  await world.time.run(sleeper.start());
  await world.converged();
  t.deepEqual(await world.read(sleeper), records, 'it goes on where it was');
});

test('a follower whose end lies within what has become one hole catches up', async (t) => {
  const world = await compacted();
  await world.fill(['a'], 30);
  await world.converged();
  const [sleeper] = world.followers();
  if (sleeper === undefined) throw new Error('nobody follows');
  sleeper.kill('kill');
  await world.fill(['a'], 200);
  await world.settled();
  await world.time.run(sleeper.start());
  await world.converged();
  t.deepEqual(newestOf(await world.read(sleeper)), newestOf(await world.read(world.leader())));
  // Its copy has holes elsewhere, and is as right.
  await world.time.runFor(120_000);
  t.is(world.meter.of(`${findings} diverged`), 0);
});
