import { MoldauError } from '@moldau/kernel';
import { ReplicationService } from '@moldau/proto/moldau/internal/v1/replication_pb';
import { crc32c } from '@moldau/records';
import { SeededRandom, SimulatedCluster, type SimulatedNode } from '@moldau/testing';
import test from 'ava';
import { CollectingMeter, type ThreeCopies, threeCopies } from './three-copies.ts';

const config = { 'segment.bytes': '64KiB' };
const scrubIntervalMs = 20_000;
const findings = 'moldau_storage_node_scrub_findings_total';

/** A topic with several segments. */
async function filled(meter = new CollectingMeter()) {
  const copies = await threeCopies(config, { meter: () => meter, scrubIntervalMs });
  const random = new SeededRandom(7);
  for (let i = 0; i < 100; i += 1) await copies.send(Buffer.from(random.bytes(1_500)).toString('base64'));
  await copies.converged();
  return { ...copies, meter };
}

const filesOf = ({ disk }: SimulatedNode): string[] => disk.filesBelow('/data').filter((path) => path.endsWith('.log'));

function bytesOf({ disk }: SimulatedNode, path: string): Buffer {
  const bytes = Buffer.alloc(disk.file(path).sizeBytes);
  disk.file(path).read(0, bytes);
  return bytes;
}

/** All batches of a copy, as its disk has them. */
const contents = (node: SimulatedNode): string =>
  Buffer.concat(filesOf(node).map((path) => bytesOf(node, path))).toString('base64');

/** Flips a bit in the middle of the first segment. */
function rot(node: SimulatedNode): void {
  const [oldest = ''] = filesOf(node);
  node.disk.flipBit(oldest, 30_000 * 8 + 3);
}

/** Another value in the first record, and the CRC that fits it: nothing that one copy could notice by itself. */
function rewrite(node: SimulatedNode): void {
  const [oldest = ''] = filesOf(node);
  const before = bytesOf(node, oldest);
  const batch = Buffer.from(before.subarray(0, 12 + before.readInt32BE(8)));
  const middle = batch.length >> 1;
  batch.writeUInt8(batch.readUInt8(middle) ^ 1, middle);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  for (const [at, byte] of batch.entries()) {
    for (let bit = 0; bit < 8; bit += 1) {
      if ((((before[at] ?? 0) ^ byte) >> bit) & 1) node.disk.flipBit(oldest, at * 8 + bit);
    }
  }
}

async function heals(t: ThreeCopiesTest, victim: SimulatedNode, spoil: (node: SimulatedNode) => void) {
  const { copies, whole } = t;
  const { leader, partitionOn, converged, time } = copies;
  spoil(victim);
  if (contents(victim) === whole) throw new Error('nothing is spoilt');
  await time.runUntil(() => partitionOn(victim).log.isCorrupt);
  if (leader().id === victim.id) throw new Error('a damaged copy leads');
  await converged();
  for (let i = 0; i < 5; i += 1) await copies.send(`more ${i}`);
  await converged();
  return contents(victim).startsWith(whole.slice(0, -8)) && contents(victim) === contents(leader());
}
type ThreeCopiesTest = { readonly copies: ThreeCopies; readonly whole: string };

for (const who of ['follower', 'leader'] as const) {
  test(`a bit that flips on a ${who} is found without anybody reading, and the copy is healed`, async (t) => {
    const copies = await filled();
    const { leader, followers, meter } = copies;
    const victim = who === 'leader' ? leader() : followers()[0];
    if (victim === undefined) return t.fail();
    t.true(filesOf(victim).length > 2);
    t.true(await heals({ copies, whole: contents(leader()) }, victim, rot));
    t.true(meter.of(`${findings} damaged`) > 0);
    t.is(meter.of(`${findings} diverged`), 0);
  });
}

test('a copy that differs from its leader although its checksums fit is thrown away, and fetched again', async (t) => {
  const copies = await filled();
  const { leader, followers, meter } = copies;
  const [victim] = followers();
  if (victim === undefined) return t.fail();
  t.true(await heals({ copies, whole: contents(leader()) }, victim, rewrite));
  t.true(meter.of(`${findings} diverged`) > 0);
  t.is(meter.of(`${findings} damaged`), 0);
});

test('the only copy is looked at too: what is whole of it stays', async (t) => {
  const meter = new CollectingMeter();
  const cluster = new SimulatedCluster({ seed: 4, meter: () => meter, scrubIntervalMs });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app', 60_000, time);
  await time.run(client.admin.createTopic({ name: 't', partitions: 1, config }));
  const producer = client.producer({ topic: 't', linger: 0 });
  const value = Buffer.from(cluster.random.bytes(1_000)).toString('base64');
  for (let i = 0; i < 100; i += 1) await time.run(producer.send({ partition: 0, value }));
  rot(cluster.node());
  await time.runUntil(() => meter.of(`${findings} damaged`) > 1, 200_000);
  const [partition] = cluster.node().service.partitions;
  t.is(partition?.role.kind, 'leader');
  t.false(partition?.log.isCorrupt);
  await time.run(producer.send({ partition: 0, value }));
});

test('everything is looked at about once in an interval, and nothing is found where nothing is wrong', async (t) => {
  const { meter, time, partitionOn, leader } = await filled();
  const scrubbed = (): number => meter.of('moldau_storage_node_scrubbed_bytes_total');
  await time.runFor(60_000);
  const before = scrubbed();
  await time.runFor(10 * scrubIntervalMs);
  const passes = (scrubbed() - before) / (3 * partitionOn(leader()).log.sizeBytes);
  t.true(passes >= 7 && passes <= 11, `${passes} passes in 10 intervals`);
  t.is(meter.of(`${findings} diverged`) + meter.of(`${findings} damaged`), 0);
});

test('who asks for a hash is answered by the leader of that epoch alone, and below its high watermark', async (t) => {
  const { cluster, time, leader, followers, partitionOn, topic } = await filled();
  const [follower] = followers();
  const { log, role } = partitionOn(leader());
  const to: bigint = log.highWatermark;
  const asked = {
    algorithm: 1,
    clusterId: leader().service.clusterId,
    nodeId: Number(follower?.id),
    leaderId: Number(leader().id),
    topicId: topic.id,
    partition: 0,
    leaderEpoch: role.kind === 'leader' ? role.epoch : 0,
    from: 0n,
    to,
  };
  const ask = async (node: SimulatedNode | undefined, change: Partial<typeof asked>): Promise<string> => {
    const channel = cluster.network.dialer('node-9').dial(node?.address ?? '', 'control');
    try {
      const { end } = await time.run(channel.unary(ReplicationService.method.hashRange, { ...asked, ...change }));
      return `${end}`;
    } catch (error) {
      return error instanceof MoldauError ? error.reason : String(error);
    }
  };
  const to1 = await ask(leader(), { to: 1n });
  t.deepEqual([await ask(leader(), {}), to1, await ask(leader(), { to: 0n })], [`${to}`, '1', '0']);
  t.is(await ask(leader(), { to: to + 1n }), 'OFFSET_NOT_AVAILABLE');
  t.is(await ask(leader(), { to: -1n }), 'INVALID_REQUEST');
  t.is(await ask(leader(), { from: 2n, to: 1n }), 'INVALID_REQUEST');
  t.is(await ask(leader(), { algorithm: 2 }), 'INVALID_REQUEST');
  t.is(await ask(leader(), { clusterId: 'elsewhere' }), 'WRONG_CLUSTER');
  t.is(await ask(leader(), { leaderId: 9 }), 'NOT_SERVING');
  t.is(await ask(leader(), { leaderEpoch: asked.leaderEpoch - 1 }), 'FENCED_EPOCH');
  t.is(await ask(leader(), { leaderEpoch: asked.leaderEpoch + 1 }), 'NOT_LEADER');
  t.is(await ask(leader(), { partition: 7 }), 'NOT_LEADER');
  t.is(await ask(follower, { leaderId: Number(follower?.id) }), 'NOT_LEADER');
});
