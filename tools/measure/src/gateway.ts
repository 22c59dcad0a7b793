import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '@moldau/client';
import { type Child, runScript, start } from './children.ts';
import type { Figure } from './figure.ts';
import type { LargeBatches } from './large-batches.ts';

const batchBytes = 256 * 1024;
const partitions = 6;
const directions = ['produce', 'consume'] as const;
type Direction = (typeof directions)[number];

/**
 * What a gateway costs: batches of 256 KiB through it and past it, in turn, with cluster, gateway and client as processes
 * of their own. The cluster keeps them in memory, for a disk would hide the difference.
 */
export async function measureGateway(bytesPerRun: number, times: number): Promise<Figure[]> {
  const cluster = service('memory-cluster.ts', { memoryBytes: 4 * bytesPerRun });
  const port = await portOf(cluster);
  const gateway = service('gateway-process.ts', { port });
  const ways = { direct: port, 'through a gateway': await portOf(gateway) } as const;
  const rates = new Map<string, number[]>();
  const note = (name: string, rate: number): unknown => rates.set(name, [...(rates.get(name) ?? []), rate]);
  try {
    for (let i = 0; i < times; i += 1) {
      for (const [way, asked] of Object.entries(ways)) {
        const topic = `batches-${i}-${asked}`;
        await using client = await connect({ endpoints: `127.0.0.1:${port}` });
        await client.admin.createTopic({ name: topic, partitions });
        for (const direction of directions)
          note(nameOf(direction, way), await rate(asked, topic, direction, bytesPerRun));
        await client.admin.deleteTopic(topic);
      }
    }
  } finally {
    cluster.kill('SIGKILL');
    gateway.kill('SIGKILL');
  }
  return figuresOf(rates);
}

const nameOf = (direction: Direction, way: string): string => `${direction}, 256 KiB batches, ${way}`;

async function rate(port: number, topic: string, direction: Direction, bytesPerRun: number): Promise<number> {
  const count = Math.ceil(bytesPerRun / batchBytes);
  const load: LargeBatches = { port, topic, partitions, count, batchBytes, direction };
  const { result } = await runScript<{ seconds: number; batches: number }>('large-batches.ts', load);
  const expected = direction === 'produce' ? count : count + partitions;
  if (result.batches !== expected) throw new Error(`${result.batches} of ${expected} batches: ${direction} ${topic}`);
  return (result.batches * batchBytes) / 1e6 / result.seconds;
}

/** The rates, and what is left of each by the gateway. */
function figuresOf(rates: ReadonlyMap<string, readonly number[]>): Figure[] {
  const figures = [...rates].map(([name, runs]): Figure => ({ name, unit: 'MB/s', runs }));
  const ratios = directions.map((direction): Figure => {
    const direct = rates.get(nameOf(direction, 'direct')) ?? [];
    const through = rates.get(nameOf(direction, 'through a gateway')) ?? [];
    // Each run is compared with the one beside it: how busy the machine is changes from minute to minute.
    const runs = through.map((rate, i) => (100 * rate) / (direct[i] ?? Number.NaN));
    return { name: `${direction} through a gateway, of direct`, unit: '%', runs, target: { atLeast: 60 } };
  });
  return [...figures, ...ratios];
}

const service = (script: string, args: object): Child =>
  start([fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(args)]);

/** What a service prints when it serves. */
async function portOf(child: Child): Promise<number> {
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { port: number }).port;
  throw new Error(`${child.spawnargs.join(' ')} ended before it served`);
}
