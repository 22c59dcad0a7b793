import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureEngine } from './engine.ts';
import { type Figure, holds } from './figure.ts';
import { measureLargeTopic } from './large-topic.ts';
import { machine } from './machine.ts';
import { measureRoundTrip } from './round-trip.ts';
import { full, quick, type Sizes } from './sizes.ts';
import { measureStartUp } from './start-up.ts';
import { table } from './table.ts';
import { measureThroughput } from './throughput.ts';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, only: { type: 'string' } },
});

type Measure = (directory: string, sizes: Sizes) => AsyncIterable<Figure> | Promise<Figure[]>;

const parts: Readonly<Record<string, Measure>> = {
  'start-up': (directory, { startUps }) => measureStartUp(directory, startUps),
  'round-trip': (directory, { tripSeconds }) => measureRoundTrip(directory, tripSeconds, [5, 0]),
  throughput: (directory, { loadBytes, loads }) => measureThroughput(directory, loadBytes, loads),
  engine: (directory, { engine }) => measureEngine(directory, engine),
  'large-topic': (directory, { largeBytes }) => measureLargeTopic(directory, largeBytes),
};

/** Measures one part after the other, each in a directory of its own that goes before the next one begins. */
async function measureAll(sizes: Sizes, names: readonly string[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of names) {
    const directory = mkdtempSync(join(tmpdir(), `moldau-measure-${name}-`));
    // On every way out: what runs out of time ends by process.exit.
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    process.once('exit', remove);
    const startedAt = performance.now();
    const measured = parts[name]?.(directory, sizes);
    if (measured === undefined) throw new Error(`no part ${name}: there are ${Object.keys(parts).join(', ')}`);
    for await (const figure of await measured) figures.push(figure);
    process.stderr.write(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
    process.off('exit', remove);
    remove();
  }
  return figures;
}

const sizes = options.quick ? quick : full;
const deadline = setTimeout(() => {
  process.stderr.write(`not done after ${sizes.deadlineSeconds} s: this machine is too slow, or too busy\n`);
  process.exit(1);
}, sizes.deadlineSeconds * 1000);
const figures = await measureAll(sizes, options.only?.split(',') ?? Object.keys(parts));
clearTimeout(deadline);

const missed = figures.filter((figure) => holds(figure) === false);
console.log(`${machine()}\n\n${table(figures)}`);
console.log(missed.length === 0 ? '\nEvery target holds.' : `\nMissed: ${missed.map(({ name }) => name).join('; ')}.`);
if (options.json !== undefined) {
  const results = figures.map((figure) => ({ ...figure, holds: holds(figure) }));
  writeFileSync(options.json, `${JSON.stringify({ machine: machine(), figures: results }, undefined, 2)}\n`);
}
process.exitCode = missed.length === 0 ? 0 : 1;
