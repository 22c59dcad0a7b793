import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@moldau/client';
import { startApp } from '@moldau/testing/service-app';
import { Stranger } from '@moldau/testing/stranger';
import type { TiedProcess } from '@moldau/testing/tied-process';
import test, { type ExecutionContext } from 'ava';

/** One program of `apps`, ended with the test. */
function startFor(t: ExecutionContext, app: string, flags: readonly string[]): TiedProcess {
  const started = startApp(app, flags);
  t.teardown(() => started.kill());
  return started;
}

const free = ['--listen-port', '0', '--http-port', '0'];

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'moldau-process-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a coordinator, a storage node and a gateway by hand; each tells how it is, and ends in order', async (t) => {
  const path = folder(t);
  const coordinator = startFor(t, 'coordinator', ['--store-file', join(path, 'metadata.sqlite'), ...free]);
  const [, coordinatorPort, http] = await coordinator.says(/"address":"127\.0\.0\.1:(\d+)","http":(\d+)/);
  const coordinators = `127.0.0.1:${coordinatorPort}`;
  const node = startFor(t, 'storage-node', [
    ...['--node-id', '1', '--data-dir', join(path, 'node'), '--coordinators', coordinators],
    ...free,
  ]);
  await node.says(/storage-node is ready/);
  const gateway = startFor(t, 'gateway', ['--coordinators', coordinators, ...free]);
  const [, gatewayPort] = await gateway.says(/"address":"127\.0\.0\.1:(\d+)","http"/);
  await using moldau = await connect({ endpoints: `127.0.0.1:${gatewayPort}` });
  await moldau.admin.createTopic({ name: 't' });
  const producer = moldau.producer({ topic: 't' });
  t.is((await producer.send({ value: 'v' })).offset, 0n as never);
  await producer.close();
  t.is(await (await fetch(`http://127.0.0.1:${http}/readyz`)).text(), 'ready\n');
  t.regex(
    await (await fetch(`http://127.0.0.1:${http}/metrics`)).text(),
    /moldau_rpc_calls_total\{method="moldau.cluster.v1.ClusterService\/CreateTopic",reason="OK"\} 1/,
  );
  for (const one of [gateway, node, coordinator]) {
    await one.stop();
    t.is(await one.ended(), 0, one.said);
  }
  t.regex(coordinator.said, /"node":1,"why":"it has left in order","message":"a node is fenced"/);
});

test('a group coordinator by hand: it says good-bye, and the older of two with one node id ends', async (t) => {
  const path = folder(t);
  const coordinator = startFor(t, 'coordinator', ['--store-file', join(path, 'metadata.sqlite'), ...free]);
  const [, port] = await coordinator.says(/"address":"127\.0\.0\.1:(\d+)"/);
  const start = () =>
    startFor(t, 'group-coordinator', ['--node-id', '7', '--coordinators', `127.0.0.1:${port}`, ...free]);
  const older = start();
  await older.says(/group-coordinator is ready/);
  const younger = start();
  await younger.says(/group-coordinator is ready/);
  t.is(await older.ended(), 1);
  t.regex(older.said, /replaced by a newer one: stop one of the two processes/);
  await younger.stop();
  t.is(await younger.ended(), 0, younger.said);
  await coordinator.says(/"node":7,"why":"it has left in order","message":"a node is fenced"/);
});

for (const [what, app, flags, code, words] of [
  [
    'flags that nobody knows',
    'gateway',
    ['--coordinator', 'x:1', '--log-levl=debug', '--http-port', 'x'],
    2,
    /--coordinator is unknown: is it --coordinators\?\n.*--log-levl is unknown: is it --log-level\?[\s\S]*http\.port from --http-port: "x"[\s\S]*--help shows/,
  ],
  ['a word too much', 'gateway', ['--coordinators', 'x:1', 'y:2'], 2, /Unexpected argument 'y:2'[\s\S]*--help shows/],
  ['a setting that is missing', 'gateway', [], 2, /coordinators must be set: as --coordinators or MOLDAU_COORDINATORS/],
  ['an impossible value', 'storage-node', ['--node-id', '0'], 2, /node\.id from --node-id: "0" is not between 1/],
  [
    'no metadata store',
    'coordinator',
    free,
    2,
    /^coordinator: where is the metadata kept\? Set etcd\.endpoints, or store\.file.*\n--help shows/,
  ],
  [
    'half of what an etcd with users takes',
    'coordinator',
    ['--etcd-endpoints', 'e:1', '--etcd-username', 'u'],
    2,
    /etcd\.username and etcd\.password go together/,
  ],
  [
    'a certificate without its key',
    'gateway',
    ['--coordinators', 'x:1', '--tls-cert', 'x.pem'],
    2,
    /tls\.cert and tls\.key go together/,
  ],
  ['an address of etcd that makes no sense', 'coordinator', ['--etcd-endpoints', 'nonsense'], 2, /is not host:port/],
] as const) {
  test(`refused: ${what}`, async (t) => {
    const started = startFor(t, app, flags);
    t.is(await started.ended(), code, started.said);
    t.regex(started.said, words);
  });
}

test('without an etcd a coordinator says so, and waits', async (t) => {
  const started = startFor(t, 'coordinator', ['--etcd-endpoints', '127.0.0.1:1', ...free]);
  t.regex((await started.says(/the metadata store does not answer.*?"}/)).input, /127\.0\.0\.1:1/);
  await started.stop();
  t.is(await started.ended(), 0);
});

test("where a gateway's coordinator should be is something else: it says what, and waits", async (t) => {
  const stranger = await Stranger.start('http');
  t.teardown(() => stranger.close());
  const started = startFor(t, 'gateway', ['--coordinators', stranger.address, ...free]);
  const [line] = await started.says(/^.*no metadata from this address, so far.*$/m);
  t.regex(line, /"level":"warn".*127\.0\.0\.1:\d+ answers, but not in gRPC: it may be an HTTP port/);
  await started.stop();
  t.is(await started.ended(), 0);
});

test('two processes with one node id: the older one ends, and says why', async (t) => {
  const path = folder(t);
  const coordinator = startFor(t, 'coordinator', ['--store-file', join(path, 'metadata.sqlite'), ...free]);
  const [, port] = await coordinator.says(/"address":"127\.0\.0\.1:(\d+)"/);
  const start = (directory: string) =>
    startFor(t, 'storage-node', [
      ...['--node-id', '7', '--data-dir', join(path, directory), '--coordinators', `127.0.0.1:${port}`],
      ...free,
    ]);
  const older = start('one');
  await older.says(/is ready/);
  const younger = start('two');
  await younger.says(/is ready/);
  t.is(await older.ended(), 1);
  t.regex(older.said, /replaced by a newer one: stop one of the two processes/);
});

test('a node of another cluster is refused, and told to check the address', async (t) => {
  const path = folder(t);
  const ports: string[] = [];
  for (const name of ['a', 'b']) {
    const coordinator = startFor(t, 'coordinator', ['--store-file', join(path, `${name}.sqlite`), ...free]);
    ports.push((await coordinator.says(/"address":"127\.0\.0\.1:(\d+)"/))[1] ?? '');
  }
  const start = (port: string | undefined) =>
    startFor(t, 'storage-node', [
      ...['--node-id', '1', '--data-dir', join(path, 'node'), '--coordinators', `127.0.0.1:${port}`],
      ...free,
    ]);
  const first = start(ports[0]);
  await first.says(/is ready/);
  await first.stop();
  const second = start(ports[1]);
  t.is(await second.ended(), 1);
  t.regex(second.said, /has data of cluster \w+, and this is \w+: check its coordinator's address/);
});
