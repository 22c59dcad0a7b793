import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

/** Each message takes so long, and each operation of a disk. */
const networkMs = 5;
const diskMs = 2;

test('a record is acknowledged one round trip between nodes and one write and sync of a follower after it is written', async (t) => {
  const cluster = new SimulatedCluster({
    seed: 1,
    nodes: 3,
    conditions: () => ({ delayMs: networkMs }),
    diskLatencyMs: { min: diskMs, max: diskMs },
  });
  const { time } = cluster;
  await time.run(cluster.start());
  const { admin } = cluster.client('admin', 30_000, time);
  await time.run(admin.createTopic({ name: 't', partitions: 1, replicas: 3 }));
  await time.runFor(1_000);
  const leader = cluster.nodes.find(({ service }) =>
    [...service.partitions].some(({ leading }) => leading !== undefined),
  );
  const channel = cluster.network.dialer('app').dial(leader?.address ?? '', 'data');
  const append = () =>
    time.run(
      channel.unary(LogService.method.append, { topic: 't', partition: 0, records: [{ value: Buffer.from('x') }] }),
    );
  // The first record of a segment makes its file durable by name.
  await append();
  await time.runFor(1_000);

  const trace: { readonly atMs: number; readonly who: string; readonly what: 'written' | 'synced' }[] = [];
  const startedAt = time.monotonicMs();
  for (const { id, service } of cluster.nodes) {
    for (const { log } of service.partitions) {
      const who = id === leader?.id ? 'leader' : `follower ${id}`;
      const note = (what: 'written' | 'synced') => () =>
        void trace.push({ atMs: time.monotonicMs() - startedAt, who, what });
      log.onWritten(note('written'));
      log.onDurable(note('synced'));
    }
  }
  await append();
  const acknowledgedMs = time.monotonicMs() - startedAt;
  for (const { atMs, who, what } of trace) t.log(`${atMs} ms: ${who} has ${what}`);
  t.log(`${acknowledgedMs} ms: acknowledged`);

  const at = (who: string, what: string): number =>
    trace.find((one) => one.who === who && one.what === what)?.atMs ?? 0;
  const [leaderWritten, leaderSynced] = [at('leader', 'written'), at('leader', 'synced')];
  // From the arrival to the end of the sync: what a follower takes for the same is no more than what the leader took.
  const writeAndSync = leaderSynced - networkMs;
  const roundTrip = 2 * networkMs;
  t.is(trace.length, 6);
  t.is(acknowledgedMs, leaderWritten + roundTrip + writeAndSync + networkMs);
  // The leader's own sync runs beside that.
  t.true(leaderSynced < leaderWritten + roundTrip + writeAndSync);
});
