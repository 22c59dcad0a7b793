import { type Meter, silentMeter } from '@moldau/kernel';
import test from 'ava';
import { World } from './world.ts';

/** What gauges show, as `name state`. */
function gauges(): { meter: Meter; shown: Record<string, number> } {
  const shown: Record<string, number> = {};
  const meter: Meter = {
    ...silentMeter,
    gauge: (name, _, labels = {}) => {
      const key = [name.replace('moldau_coordinator_', ''), ...Object.values(labels)].join(' ');
      return { set: (value) => Object.assign(shown, { [key]: value }), drop() {} };
    },
  };
  return { meter, shown };
}

test('the active coordinator shows what is offline, even where all its nodes are dead; one that stands by shows nothing', async (t) => {
  const world = new World(t);
  const [first, second] = [gauges(), gauges()];
  const office = world.coordinator({}, world.store, first.meter);
  await world.run(office.coordinator.start());
  const standby = world.coordinator({}, world.store, second.meter);
  await world.run(standby.coordinator.start());
  t.is(second.shown.active, 0);
  const nodes = [];
  for (const id of [1, 2, 3]) nodes.push(await world.activeNode(office, id));
  await world.run(
    office.createTopic({
      name: 'three',
      partitions: 4,
      replicas: 3,
      config: [{ key: 'min.insync.replicas', value: '2' }],
    }),
  );
  await world.time.runFor(1_000);
  const whole = { active: 1, partitions: 4, offline_partitions: 0, under_replicated_partitions: 0 };
  t.like(first.shown, { ...whole, below_min_in_sync_partitions: 0, 'nodes active': 3, 'nodes fenced': 0 });

  nodes[0]?.die();
  await world.until(async () => first.shown['nodes fenced'] === 1);
  await world.until(async () => first.shown.under_replicated_partitions === 4);
  t.like(first.shown, { offline_partitions: 0, below_min_in_sync_partitions: 0, 'nodes active': 2 });
  nodes[1]?.die();
  await world.until(async () => first.shown.below_min_in_sync_partitions === 4);
  nodes[2]?.die();
  await world.until(async () => first.shown.offline_partitions === 4);
  t.like(first.shown, {
    under_replicated_partitions: 4,
    below_min_in_sync_partitions: 0,
    'nodes active': 0,
    'nodes fenced': 3,
  });

  await world.run(office.coordinator.stop());
  await world.until(async () => second.shown.active === 1);
  t.like(second.shown, { offline_partitions: 4, 'nodes fenced': 3 });
  t.like(first.shown, { active: 0, offline_partitions: 0, 'nodes fenced': 0 });
});
