import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { peers } from '../src/systems/peers.ts';
import { type InstalledSystem, NotHere, type RunningSystem, type System } from '../src/systems/system.ts';

const records = 20_000;
const valueBytes = 100;

for (const peer of peers) {
  for (const nodes of peer.nodes) {
    test.serial(`${peer.name} with ${nodes} nodes writes, reads and goes`, async (t) => {
      const installed = await installedOr(t, peer);
      if (installed === undefined) return;
      const directory = await mkdtemp(join(tmpdir(), 'moldau-peer-'));
      t.teardown(() => rm(directory, { recursive: true, force: true }));
      const running = await installed.start(directory, nodes);
      t.teardown(() => running.stop());
      t.true(running.serverPids.length >= nodes);
      await useAll(t, running, nodes);
      const pids = await withDescendants(running.serverPids);
      t.true(pids.every(isAlive));
      await running.stop();
      while (pids.some(isAlive)) await sleep(10);
    });
  }
}

async function useAll(t: ExecutionContext, running: RunningSystem, nodes: number): Promise<void> {
  const topic = 'bench';
  await running.createTopic({ name: topic, partitions: 1, replicas: nodes });
  await writeAndRead(t, running, topic, 1);
  // What is there already must not be taken for what comes.
  const latency = await running.endToEnd({ topic, perSecond: 200, seconds: 2, valueBytes });
  t.is(latency.records, 400);
  t.true(latency.p50 > 0);
  t.true(latency.p50 <= latency.p99 && latency.p99 <= latency.p999 && latency.p999 <= latency.max);
  t.log(`p50 ${latency.p50.toFixed(2)} ms, p99 ${latency.p99.toFixed(2)} ms`);
  await running.deleteTopic(topic);
  if (nodes > 1) return;
  await running.createTopic({ name: topic, partitions: 1, replicas: nodes });
  await writeAndRead(t, running, topic, 2);
}

async function writeAndRead(t: ExecutionContext, running: RunningSystem, topic: string, clients: number) {
  const load = { topic, records, valueBytes, clients };
  for (const report of [await running.produce(load), await running.consume(load)]) {
    t.is(report.records, records);
    t.true(report.seconds > 0);
    t.true(report.cpuSeconds > 0);
    t.true(report.peakMiB > 10);
    t.log(`${clients} clients: ${Math.round(records / report.seconds)} records/s, ${report.peakMiB.toFixed()} MiB`);
  }
}

async function installedOr(t: ExecutionContext, peer: System): Promise<InstalledSystem | undefined> {
  try {
    const installed = await peer.install();
    t.log(`${installed.version}: ${installed.settings}`);
    return installed;
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    t.log(error.message);
    t.pass();
    return undefined;
  }
}

/** Processes, and those that they started: all that must go with them. */
async function withDescendants(pids: readonly number[]): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }
  const isBelow = (pid: number): boolean => pids.includes(pid) || isBelowParent(parents.get(pid));
  const isBelowParent = (parent: number | undefined): boolean =>
    parent !== undefined && parent !== 0 && isBelow(parent);
  return [...parents.keys()].filter(isBelow);
}

/** One that has ended counts as gone, even where nobody has asked how. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
