import type { Ceiling } from './ceiling/ceiling.ts';
import type { Measured } from './samples.ts';
import type { LatencyReport } from './systems/system.ts';
import type { Contender } from './throughput.ts';

/** A steady rate, and for how long. */
export interface Pace {
  readonly perSecond: number;
  readonly seconds: number;
  readonly rounds: number;
}

const valueBytes = 100;
/** What a record of ours takes on the wire and the disk, a batch of its own. */
const frameBytes = 200;

/** From the moment at which a record is due until its reader has it, by everyone in turn. */
export async function measureLatency(
  title: string,
  { perSecond, seconds, rounds }: Pace,
  contenders: readonly Contender[],
  ceiling: Ceiling | undefined,
  measured: Measured,
  say: (text: string) => void,
): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    if (ceiling !== undefined) {
      say(`${title}: round ${round} of ${rounds}, ceiling`);
      const echoed = await ceiling.echo(perSecond, seconds, frameBytes);
      note(measured, title, 'bare round trip + fdatasync', echoed);
    }
    for (const { name, system } of contenders) {
      say(`${title}: round ${round} of ${rounds}, ${name}`);
      const topic = `latency-${perSecond}-${round}`;
      await system.createTopic({ name: topic, partitions: 1, replicas: 1 });
      note(measured, title, name, await system.endToEnd({ topic, perSecond, seconds, valueBytes }));
      await system.deleteTopic(topic);
    }
  }
}

function note(measured: Measured, title: string, who: string, { p50, p99, p999 }: LatencyReport): void {
  measured.add(`${title}, p50`, who, 'ms', p50);
  measured.add(`${title}, p99`, who, 'ms', p99);
  measured.add(`${title}, p99.9`, who, 'ms', p999);
}
