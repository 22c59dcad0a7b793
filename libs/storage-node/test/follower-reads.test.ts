import type { MessageInitShape } from '@bufbuild/protobuf';
import { MoldauError } from '@moldau/kernel';
import { LogService, type ReadRequestSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import type { PositionSchema } from '@moldau/proto/moldau/log/v1/record_pb';
import type { SimulatedNode } from '@moldau/testing';
import test from 'ava';
import { threeCopies } from './three-copies.ts';

type Asked = Omit<MessageInitShape<typeof ReadRequestSchema>, '$typeName' | '$unknown'>;

const at = (value: bigint): MessageInitShape<typeof PositionSchema> => ({ at: { case: 'offset', value } });

/** A partition with ten records on three nodes, and one of its followers. */
async function followed() {
  const world = await threeCopies();
  for (let i = 0; i < 10; i += 1) await world.send(`record ${i}`);
  await world.converged();
  const [follower] = world.followers();
  if (follower === undefined) throw new Error('nobody follows');
  const begin = ({ address }: SimulatedNode, asked: Asked) => {
    const seen = { values: [] as string[], highWatermark: 0n, error: '' };
    const request = { topic: 't', anyReplica: true, ...asked };
    const reading = (async () => {
      try {
        const parts = world.cluster.network.dialer('app').dial(address, 'data');
        for await (const part of parts.serverStream(LogService.method.read, request)) {
          seen.highWatermark = part.highWatermark;
          seen.values.push(...part.records.map(({ value }) => Buffer.from(value ?? []).toString()));
        }
      } catch (error) {
        seen.error = error instanceof MoldauError ? error.reason : String(error);
      }
    })();
    return { seen, reading };
  };
  /** What a node gives; of an error, its reason. */
  const read = async (node: SimulatedNode, asked: Asked = {}): Promise<string> => {
    const { seen, reading } = begin(node, asked);
    await world.time.run(reading);
    return seen.error || seen.values.map((value) => value.slice('record '.length)).join(' ');
  };
  return { ...world, follower, begin, read };
}

test('a follower answers who allows it, and sends everybody else to the leader', async (t) => {
  const { follower, leader, followers, read } = await followed();
  for (const node of [leader(), ...followers()]) t.is(await read(node), '0 1 2 3 4 5 6 7 8 9');
  t.is(await read(follower, { anyReplica: false }), 'NOT_LEADER');
  t.is(await read(leader(), { anyReplica: false, from: at(8n) }), '8 9');
  t.is(await read(follower, { from: at(3n), until: at(5n) }), '3 4');
  t.is(await read(follower, { from: { at: { case: 'beforeLatest', value: 2n } } }), '8 9');
  t.is(await read(follower, { from: { at: { case: 'latest', value: {} } } }), '');
});

test('what a follower does not know to be committed is not available, and never out of range', async (t) => {
  const { follower, leader, read } = await followed();
  t.is(await read(follower, { from: at(10n) }), '');
  for (const asked of [{ from: at(11n) }, { from: at(10_000n) }, { from: at(0n), until: at(11n) }]) {
    t.is(await read(follower, asked), 'OFFSET_NOT_AVAILABLE');
    t.is(await read(leader(), asked), 'OFFSET_OUT_OF_RANGE');
  }
});

test('who follows a follower waits for what comes, also from beyond its end', async (t) => {
  const { follower, begin, send, time } = await followed();
  const now = begin(follower, { from: at(9n), follow: true });
  const later = begin(follower, { from: at(12n), follow: true, limit: 1n });
  const bounded = begin(follower, { from: at(9n), until: at(12n), follow: true });
  await time.runFor(1_000);
  t.deepEqual([now.seen.values, later.seen.values, later.seen.error], [['record 9'], [], '']);
  for (let i = 10; i < 13; i += 1) await send(`record ${i}`);
  await time.run(Promise.all([later.reading, bounded.reading]));
  await time.runUntil(() => now.seen.values.length === 4);
  t.deepEqual(later.seen.values, ['record 12']);
  t.deepEqual(bounded.seen.values, ['record 9', 'record 10', 'record 11']);
});

test('a follower answers up to its own high watermark while it hears nothing, and earliest is its own', async (t) => {
  const { follower, followers, leader, client, read, cluster, converged, time } = await followed();
  await time.run(client.admin.trimPartition('t', 0, 4n));
  await converged();
  t.is(await read(follower), '4 5 6 7 8 9');
  t.is(await read(follower, { from: at(3n) }), 'OFFSET_OUT_OF_RANGE');
  cluster.coordinator().kill();
  const others = [leader(), ...followers()].filter(({ id }) => id !== follower.id);
  for (const node of others) node.kill('kill');
  await time.runFor(30_000);
  t.is(await read(follower), '4 5 6 7 8 9');
  t.is(await read(follower, { until: at(11n) }), 'OFFSET_NOT_AVAILABLE');
});

test('a damaged copy answers nobody', async (t) => {
  const { follower, read, partitionOn } = await followed();
  await partitionOn(follower).log.markCorrupt();
  t.is(await read(follower), 'NOT_LEADER');
});
