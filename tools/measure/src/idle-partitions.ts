import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '@moldau/chaos-tool/cluster';
import type { Figure } from './figure.ts';

const windowMs = 10_000;
/** Of these windows, the last ones count: the first are those in which the copies are made. */
const counted = 3;
/** The kernel counts in hundredths of a second. */
const tickMs = 10;

/**
 * What partitions cost that nobody uses: three storage nodes as processes, three copies of each partition, and the share of a
 * core that each node takes.
 */
export async function measureIdlePartitions(partitions: number, windows: number): Promise<Figure[]> {
  const cluster = await Cluster.start({ gateway: false });
  try {
    const client = await cluster.clientOfNodes();
    await client.admin.createTopic({ name: 'idle', partitions, replicas: 3 });
    const shares = cluster.nodes.map((): number[] => []);
    for (let window = 0; window < windows; window += 1) {
      const before = cluster.nodes.map(({ pid }) => cpuMs(pid));
      const since = performance.now();
      await pause(windowMs);
      const tookMs = performance.now() - since;
      for (const [i, { pid }] of cluster.nodes.entries()) {
        shares[i]?.push((100 * (cpuMs(pid) - (before[i] ?? 0))) / tookMs);
      }
    }
    const { topic } = await client.admin.describeTopic('idle');
    const inSync = topic?.partitions.filter(({ inSync }) => inSync.length === 3).length;
    if (inSync !== partitions) throw new Error(`${inSync} of ${partitions} partitions have three copies in sync`);
    await client.close();
    return shares.map((runs, i) => ({
      name: `node ${i + 1}, ${partitions} idle partitions × 3 replicas, of a core`,
      unit: '%',
      runs: runs.slice(-counted),
      target: { atMost: 5 },
    }));
  } finally {
    await cluster.close();
  }
}

/** User and system time of a process, from /proc/<pid>/stat: fields 14 and 15, counted behind the name in brackets. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
