import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '@moldau/client';
import { startApp } from '@moldau/testing/service-app';
import test from 'ava';
import {
  coordinatorProgram,
  gatewayProgram,
  groupCoordinatorProgram,
  settingsTable,
  storageNodeProgram,
} from '../src/index.ts';

const path = fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url));
const border =
  '<!-- What follows is written by `UPDATE_DOCS=1 npx ava test/configuration.test.ts` in libs/process. -->\n\n';

test('the documentation has every setting of every process', (t) => {
  const [prose = ''] = readFileSync(path, 'utf8').split(border);
  const tables = [storageNodeProgram, coordinatorProgram, groupCoordinatorProgram, gatewayProgram]
    .map((program) => `## \`${program.name}\`\n\n${program.summary}\n\n${settingsTable(program)}`)
    .join('\n');
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, prose + border + tables);
  t.is(readFileSync(path, 'utf8'), prose + border + tables, 'UPDATE_DOCS=1 npx ava test/configuration.test.ts');
});

test('its commands make a cluster of which any node may be killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moldau-page-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const commands = [...readFileSync(path, 'utf8').matchAll(/^npm run (\S+) -- (.*)$/gm)];
  t.deepEqual(
    commands.map(([, app]) => app),
    ['coordinator', 'storage-node', 'storage-node', 'storage-node', 'group-coordinator', 'gateway'],
  );
  const ports: string[] = [];
  const started = [];
  for (const [, app = '', flags = ''] of commands) {
    const here = flags.replaceAll('/tmp/moldau', folder).replaceAll('127.0.0.1:7080', `127.0.0.1:${ports[0]}`);
    // The last of two flags counts.
    const one = startApp(app, [...here.split(' '), '--listen-port', '0']);
    t.teardown(() => one.kill());
    started.push(one);
    ports.push((await one.says(/"address":"127\.0\.0\.1:(\d+)"/))[1] ?? '');
  }
  await using moldau = await connect({ endpoints: `127.0.0.1:${ports.at(-1)}` });
  await using producer = moldau.producer({ topic: 'first-use' });
  await producer.send({ value: 'before' });
  const { topic } = await moldau.admin.describeTopic('first-use');
  const leader = topic?.partitions[0]?.leader ?? 0;
  t.is(topic?.partitions[0]?.replicas.length, 3);
  await started[leader]?.kill();
  await producer.send({ value: 'after' });
  const values: (string | null)[] = [];
  for await (const { value } of moldau.read('first-use', { until: 'end' })) values.push(value);
  t.deepEqual(values, ['before', 'after']);
  await using consumer = moldau.consumer({ group: 'g', topics: ['first-use'], from: 'start' });
  for await (const { value } of consumer) {
    t.is(value, values.shift() ?? '');
    if (values.length === 0) break;
  }
});
