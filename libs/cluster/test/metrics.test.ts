import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connect } from '@moldau/client';
import { type DevCluster, startDevCluster } from '@moldau/cluster';
import { GatewayMetrics } from '@moldau/gateway/gateway-metrics';
import { LagSeries } from '@moldau/group-coordinator/lag-series';
import { labelled, type Meter, silentLogger } from '@moldau/kernel';
import { ReplicationMetrics } from '@moldau/storage-node/replication/replication-metrics';
import { PrometheusMeter } from '@moldau/telemetry';
import test from 'ava';

const alive = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(alive));

const memoryBytes = 64 * 1024 * 1024;
const start = (meter: Meter): Promise<DevCluster> =>
  startDevCluster({
    ...{ directory: undefined, memoryBytes, host: '127.0.0.1', port: 0, nodes: 3, version: 'test' },
    logger: silentLogger,
    meter,
  });

/** What a scrape finds of us: the value of each line, `name{labels}`. */
async function scraped(meter: PrometheusMeter): Promise<Map<string, number>> {
  const lines = (await meter.render()).split('\n').filter((line) => line.startsWith('moldau_'));
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line)?.[0])]));
}

/** Scrapes until it finds what is wanted: gauges are a second old at most. */
async function until(meter: PrometheusMeter, found: (values: Map<string, number>) => boolean): Promise<void> {
  while (!found(await scraped(meter))) await new Promise((resolve) => setTimeout(resolve, 50));
}

test('several nodes in one process measure each for itself', async (t) => {
  const meter = new PrometheusMeter();
  const cluster = await start(meter);
  await using moldau = await connect({ endpoints: `127.0.0.1:${cluster.port}` });
  await moldau.admin.createTopic({ name: 'spread', partitions: 12 });
  const led = (values: Map<string, number>): number[] =>
    [1, 2, 3].map((node) => values.get(`moldau_storage_node_led_partitions{node="${node}"}`) ?? 0);
  // Beside them are the 16 that keep consumer groups.
  const all = 12 + 16;
  await until(meter, (values) => led(values).reduce((sum, count) => sum + count, 0) === all);
  t.true(
    led(await scraped(meter)).every((count) => count >= 8),
    led(await scraped(meter)).join(),
  );
  await until(meter, (values) => values.get('moldau_coordinator_partitions{node=""}') === all);
  t.is((await scraped(meter)).get('moldau_coordinator_nodes{state="active",node=""}'), 4);
  await cluster.stop();
});

const path = fileURLToPath(new URL('../../../docs/metrics.md', import.meta.url));
const border = '<!-- What follows is written by `UPDATE_DOCS=1 npx ava test/metrics.test.ts` in libs/cluster. -->\n\n';

type Metric = { readonly type: string; readonly help: string; readonly labels: string };

/** A meter that only notes what it is asked for. */
function recorded(): { meter: Meter; metrics: Map<string, Metric> } {
  const metrics = new Map<string, Metric>();
  const note = (name: string, type: string, help: string, labels: Readonly<Record<string, string>> = {}): void => {
    const names = Object.keys(labels).sort();
    metrics.set(name, { type, help, labels: names.map((label) => `\`${label}\``).join(', ') });
  };
  const meter: Meter = {
    counter: (name, help, labels) => {
      note(name, 'counter', help, labels);
      return { add() {} };
    },
    gauge: (name, help, labels) => {
      note(name, 'gauge', help, labels);
      return { set() {}, drop() {} };
    },
    histogram: (name, help, _, labels) => {
      note(name, 'histogram', help, labels);
      return { observe() {} };
    },
  };
  return { meter, metrics };
}

const unitOf = (name: string): string => /_(bytes|seconds|offsets)(_total)?$/.exec(name)?.[1] ?? 'count';

test('the documentation has every metric of every process, and no other; their names are as Prometheus wants them', async (t) => {
  const { meter, metrics } = recorded();
  // What comes only with a fault.
  new GatewayMetrics(labelled(meter, { node: '' })).refused('OVERLOADED');
  const replication = new ReplicationMetrics(labelled(meter, { node: '1' }));
  replication.refused('not-leader');
  replication.nacked('left');
  // What comes only with groups.
  new LagSeries(labelled(meter, { node: '' })).show({ group: 'g', topic: 't', partition: 0 }, 0n, 0);
  const cluster = await start(meter);
  await using moldau = await connect({ endpoints: `127.0.0.1:${cluster.port}` });
  await moldau.admin.createTopic({ name: 't' });
  await cluster.stop();

  for (const [name, { type }] of metrics) {
    t.is(name.endsWith('_total'), type === 'counter', name);
    t.notRegex(name, /_(count|sum|bucket|info)$/);
  }
  const rows = [...metrics]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { type, help, labels }]) => {
      return `| \`${name}\` | ${type} | ${unitOf(name)} | ${labels} | ${help} |\n`;
    });
  const table = `| Metric | Type | Unit | Labels | Meaning |\n| --- | --- | --- | --- | --- |\n${rows.join('')}`;
  const [prose = ''] = readFileSync(path, 'utf8').split(border);
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, prose + border + table);
  t.is(readFileSync(path, 'utf8'), prose + border + table, 'UPDATE_DOCS=1 npx ava test/metrics.test.ts');
  for (const [, name = ''] of prose.matchAll(/(moldau_\w+)/g)) t.true(metrics.has(name), name);
});
