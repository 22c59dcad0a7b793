import type { Measured } from './samples.ts';
import { type Contender, type Effort, noteClients, watched } from './throughput.ts';

const firstRecords = 100_000;
const runBytesMax = 1_000_000_000;

/** One partition, written by one process and read by another at once, as fast as they can. */
export async function measureMixed(
  title: string,
  valueBytes: number,
  { name, system }: Contender,
  { rounds, seconds }: Effort,
  measured: Measured,
  say: (text: string) => void,
): Promise<void> {
  const run = async (topic: string, records: number) => {
    const load = { topic, records, valueBytes, clients: 1 };
    await system.createTopic({ name: topic, partitions: 1, replicas: 1 });
    const [[written, read], servers] = await watched(system, () =>
      Promise.all([system.produce(load), system.consume(load)]),
    );
    await system.deleteTopic(topic);
    return { written, read, servers };
  };
  say(`${title}: ${name} warms up`);
  let records = firstRecords;
  for (const topic of ['mixed-first', 'mixed-second']) {
    const { read } = await run(topic, records);
    const wanted = (read.records / read.seconds) * seconds;
    records = Math.round(Math.max(firstRecords, Math.min(wanted, runBytesMax / valueBytes)));
  }
  for (let round = 1; round <= rounds; round += 1) {
    say(`${title}: round ${round} of ${rounds}, ${name}`);
    const { written, read, servers } = await run(`mixed-${round}`, records);
    noteClients(measured, `${title}, written`, name, valueBytes, written);
    noteClients(measured, `${title}, read`, name, valueBytes, read);
    measured.add(`${title}: CPU seconds per million records, servers`, name, 's', servers.cpuSeconds / (records / 1e6));
  }
}
