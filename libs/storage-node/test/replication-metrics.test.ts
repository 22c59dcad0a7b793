import test from 'ava';
import { CollectingMeter, threeCopies } from './three-copies.ts';

test('what a node is to its partitions, and what goes between nodes, is measured', async (t) => {
  const meters = new Map([1, 2, 3].map((id) => [id, new CollectingMeter()]));
  const meterOf = (node: number): CollectingMeter => meters.get(node) ?? new CollectingMeter();
  const world = await threeCopies({}, { meter: meterOf });
  const { time, leader, followers, send, converged } = world;
  for (let i = 0; i < 10; i += 1) await send(`record ${i}`);
  await converged();
  await time.runFor(2_000);
  const of = (node: number, name: string): number => meterOf(node).of(`moldau_storage_node_${name}`);
  const first = leader().id;
  const others = followers().map(({ id }) => id);
  t.is(of(first, 'led_partitions'), 1);
  t.is(of(first, 'followed_partitions'), 0);
  t.is(of(first, 'under_replicated_partitions'), 0);
  t.is(of(first, 'follower_lag_max_offsets'), 0);
  t.is(of(first, 'replication_streams in'), 2);
  const received = others.map((node) => of(node, 'replicated_bytes_total in'));
  t.true(received.every((bytes) => bytes > 0 && bytes === received[0]));
  t.is(of(first, 'replicated_bytes_total out'), 2 * (received[0] ?? 0));
  for (const node of others) {
    t.is(of(node, 'led_partitions'), 0);
    t.is(of(node, 'followed_partitions'), 1);
    t.is(of(node, 'replication_streams out'), 1);
  }

  const [gone] = followers();
  gone?.kill('kill');
  await time.runUntil(() => of(first, 'under_replicated_partitions') === 1);
  t.is(of(first, 'isr_changes_total shrink'), 1);
  t.is(of(first, 'below_min_in_sync_partitions'), 0);
  const [last] = followers();
  last?.kill('kill');
  await time.runUntil(() => of(first, 'below_min_in_sync_partitions') === 1);
  t.is(of(first, 'isr_changes_total shrink'), 2);
  if (gone === undefined || last === undefined) return t.fail();
  await time.run(Promise.all([gone.start(), last.start()]));
  await converged();
  await time.runFor(1_000);
  t.is(of(first, 'under_replicated_partitions'), 0);
  t.is(of(first, 'isr_changes_total expand'), 2);
});
