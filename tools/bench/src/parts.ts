import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '@moldau/measure-tool/figure';
import { compressions } from '@moldau/records';
import { Ceiling } from './ceiling/ceiling.ts';
import { measureColdRead } from './cold-read.ts';
import { measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import { measureMixed } from './mixed.ts';
import type { Measured } from './samples.ts';
import { RunningMoldau, startMoldau } from './systems/moldau.ts';
import type { InstalledSystem, RunningSystem } from './systems/system.ts';
import { type Ceilings, type Contender, type Effort, measureThroughput, type ThroughputShape } from './throughput.ts';

/** What the parts of the benchmark share. */
export interface Bench {
  readonly directory: string;
  readonly effort: Effort;
  readonly measured: Measured;
  /** What there is to compare with, by name. */
  readonly peers: ReadonlyMap<string, InstalledSystem>;
  readonly say: (text: string) => void;
}

const us = 'Moldau';
const kafka = 'Apache Kafka';
const mixed = '100 B, written and read at once';
const atHalf = 'end to end at half of the most that ours can write and read at once';
const allModes = ['records', 'batches', 'raw'] as const;

/** Runs with systems of so many nodes that were started for it, in that order, and stops them. */
async function among(
  { directory, peers, say }: Bench,
  names: readonly string[],
  nodes: number,
  work: (contenders: readonly Contender[], ceiling: Ceilings) => Promise<void>,
): Promise<void> {
  const place = mkdtempSync(join(directory, 'part-'));
  const ceiling = { plain: await Ceiling.start(place, false), early: await Ceiling.start(place, true) };
  const started: RunningSystem[] = [];
  try {
    const contenders: Contender[] = [];
    const add = (name: string, system: RunningSystem): void => {
      started.push(system);
      contenders.push({ name, system });
    };
    for (const name of names) {
      const peer = peers.get(name);
      if (name !== us && peer === undefined) continue;
      say(`starting ${name}`);
      const system = peer === undefined ? startMoldau(nodes) : peer.start(mkdtempSync(join(place, 'system-')), nodes);
      add(name, await system);
    }
    await work(contenders, ceiling);
  } finally {
    ceiling.plain.stop();
    ceiling.early.stop();
    await Promise.all(started.map((system) => system.stop()));
    rmSync(place, { recursive: true, force: true });
  }
}

const besideCeiling = (bench: Bench, names: readonly string[], title: string, shape: ThroughputShape): Promise<void> =>
  among(bench, names, 1, (contenders, ceiling) =>
    measureThroughput(title, shape, contenders, ceiling, bench.effort, bench.measured, bench.say),
  );

type Part = (bench: Bench) => Promise<void>;

/** The parts of the benchmark, by the names that `--only` takes. */
export const parts: Readonly<Record<string, Part>> = {
  small: (bench) => {
    const shape = { valueBytes: 100, partitions: 1, replicas: 1, modes: allModes };
    return besideCeiling(bench, [us, ...bench.peers.keys()], '100 B, 1 partition', shape);
  },
  medium: (bench) => {
    const shape = { valueBytes: 1024, partitions: 1, replicas: 1, modes: allModes };
    return besideCeiling(bench, [us, kafka], '1 KiB, 1 partition', shape);
  },
  large: (bench) => {
    const shape = { valueBytes: 16 * 1024, partitions: 1, replicas: 1 };
    return besideCeiling(bench, [us, kafka], '16 KiB, 1 partition', shape);
  },
  replicated: (bench) =>
    among(bench, [us, kafka], 3, async (contenders) => {
      for (const [name, valueBytes] of [
        ['1 KiB', 1024],
        ['100 B', 100],
      ] as const) {
        const shape = { valueBytes, partitions: 1, replicas: 3 };
        await measureThroughput(
          `${name}, 3 copies`,
          shape,
          contenders,
          undefined,
          bench.effort,
          bench.measured,
          bench.say,
        );
      }
    }),
  latency: async (bench) => {
    // One at a time: a system that idles beside the one that is timed has threads that wake up, and journals that are synced.
    for (const name of [us, ...bench.peers.keys()]) {
      await among(bench, [name], 1, async (timed, ceiling) => {
        const { rounds, seconds } = bench.effort;
        const pace = { rounds, seconds: Math.ceil(seconds) };
        const steady = { ...pace, perSecond: 1_000 };
        const bare = name === us ? ceiling.plain : undefined;
        await measureLatency('end to end at 1 000 records/s', steady, timed, bare, bench.measured, bench.say);
        if (name !== us && name !== kafka) return;
        const many = { ...pace, perSecond: 100_000 };
        await measureLatency('end to end at 100 000 records/s', many, timed, undefined, bench.measured, bench.say);
      });
    }
  },
  mixed: async (bench) => {
    const { effort, measured, say } = bench;
    const { rounds, seconds } = effort;
    for (const name of [us, kafka]) {
      await among(bench, [name], 1, async (timed) => {
        for (const contender of timed) await measureMixed(mixed, 100, contender, effort, measured, say);
        const most = measured.of(`${mixed}, read`, us);
        if (most === undefined) return;
        const half = Math.ceil((median(most.runs) * 1e6) / 100 / 2 / 10_000) * 10_000;
        const pace = { rounds, seconds: Math.ceil(seconds), perSecond: half };
        say(`half of the most: ${half} records/s`);
        await measureLatency(atHalf, pace, timed, undefined, measured, say);
      });
    }
  },
  cold: (bench) =>
    among(bench, [us], 1, async ([ours], ceiling) => {
      if (!(ours?.system instanceof RunningMoldau)) return;
      const { directory, effort, measured, say } = bench;
      await measureColdRead(
        effort.coldBytes,
        effort.rounds,
        { system: ours.system, ceiling: ceiling.plain, directory },
        measured,
        say,
      );
    }),
  partitions: (bench) =>
    among(bench, [us], 1, async (contenders) => {
      for (const partitions of [10, 100, 1_000]) {
        const name = partitions === 1_000 ? '1 000' : String(partitions);
        const shape = { valueBytes: 100, partitions, replicas: 1 };
        const { effort, measured, say } = bench;
        await measureThroughput(`${name} partitions, no key`, shape, contenders, undefined, effort, measured, say);
        const keyed = { ...shape, variant: { keys: 100_000 } };
        await measureThroughput(`${name} partitions, keyed`, keyed, contenders, undefined, effort, measured, say);
      }
    }),
  memory: ({ effort, measured, say }) => measureMemory(effort.memoryMinutes, measured, say),
  variants: (bench) =>
    among(bench, [us], 1, async (contenders) => {
      const base = { valueBytes: 1024, partitions: 1, replicas: 1 };
      const { effort, measured, say } = bench;
      const measure = (title: string, shape: ThroughputShape): Promise<void> =>
        measureThroughput(`1 KiB, ${title}`, { ...base, ...shape }, contenders, undefined, effort, measured, say);
      await measure('flushed every so often', { ...base, flush: 'interval' });
      await measure('4 partitions, 4 clients', { ...base, partitions: 4, clients: 4 });
      for (const compression of compressions)
        await measure(compression, { ...base, variant: { producer: { compression } } });
    }),
};
