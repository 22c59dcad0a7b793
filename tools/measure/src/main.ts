import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureCompaction } from './compaction.ts';
import { measureEngine } from './engine.ts';
import { type Figure, holds } from './figure.ts';
import { measureGateway } from './gateway.ts';
import { measureIdlePartitions } from './idle-partitions.ts';
import { measureLargeTopic } from './large-topic.ts';
import { machine } from './machine.ts';
import { full, quick, type Sizes } from './sizes.ts';
import { measureStartUp } from './start-up.ts';
import { table } from './table.ts';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, only: { type: 'string' } },
});

type Measure = (directory: string, sizes: Sizes) => AsyncIterable<Figure> | Promise<Figure[]>;

const parts: Readonly<Record<string, Measure>> = {
  'start-up': (directory, { startUps }) => measureStartUp(directory, startUps),
  engine: (directory, { engine }) => measureEngine(directory, engine),
  compaction: (directory, { compaction }) => measureCompaction(directory, compaction),
  'large-topic': (directory, { largeBytes }) => measureLargeTopic(directory, largeBytes),
  gateway: (_, { gatewayBytes, gatewayRuns }) => measureGateway(gatewayBytes, gatewayRuns),
  idle: (_, { idlePartitions, idleWindows }) => measureIdlePartitions(idlePartitions, idleWindows),
};

/** Measures one part after the other, each in a directory of its own that goes before the next one begins. */
async function measureAll(sizes: Sizes, names: readonly string[], figures: Figure[]): Promise<void> {
  for (const name of names) {
    const measure = parts[name];
    if (measure === undefined) throw new Error(`no part ${name}: there are ${Object.keys(parts).join(', ')}`);
    const directory = mkdtempSync(join(tmpdir(), `moldau-measure-${name}-`));
    // On every way out: what runs out of time ends by process.exit.
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    process.once('exit', remove);
    const startedAt = performance.now();
    for await (const figure of await measure(directory, sizes)) figures.push(figure);
    process.stderr.write(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
    process.off('exit', remove);
    remove();
  }
}

/** Says what was found; returns the exit code. */
function report(figures: readonly Figure[], json: string | undefined): number {
  const missed = figures.filter((figure) => holds(figure) === false);
  console.log(`${machine()}\n\n${table(figures)}`);
  console.log(
    missed.length === 0 ? '\nEvery target above holds.' : `\nMissed: ${missed.map(({ name }) => name).join('; ')}.`,
  );
  if (json !== undefined) {
    const results = figures.map((figure) => ({ ...figure, holds: holds(figure) }));
    writeFileSync(json, `${JSON.stringify({ machine: machine(), figures: results }, undefined, 2)}\n`);
  }
  return missed.length === 0 ? 0 : 1;
}

const sizes = options.quick ? quick : full;
const figures: Figure[] = [];
const deadline = setTimeout(() => {
  report(figures, options.json);
  process.stderr.write(`not done after ${sizes.deadlineSeconds} s: this machine is too slow, or too busy\n`);
  process.exit(1);
}, sizes.deadlineSeconds * 1000);
await measureAll(sizes, options.only?.split(',') ?? Object.keys(parts), figures);
clearTimeout(deadline);
process.exitCode = report(figures, options.json);
