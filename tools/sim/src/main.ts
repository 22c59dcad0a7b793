import { seedsOf } from './kinds.ts';
import { planted } from './mutations/planted-bugs.ts';
import { catchAll } from './mutations/suite.ts';
import { readOptions, type SimOptions } from './options.ts';
import type { Outcome } from './outcome.ts';
import { runSeeds } from './seed-pool.ts';

const say = (text: string): void => console.log(text);
const threads = 2;

function tell({ seed, digest, broken }: Outcome, trace: boolean): void {
  if (broken === undefined) return;
  say(`\nseed ${seed} (${digest}) breaks a promise`);
  if (!trace) say(broken.tail.join('\n'));
  say(`  ${broken.what}`);
  say(`  again: npm run sim -- --seed ${seed} --trace`);
}

/** The same seed twice: two runs that differ are a bug of the simulator. */
async function runTwice(options: SimOptions): Promise<boolean> {
  const outcomes: Outcome[] = [];
  for (const trace of [options.trace, false]) {
    await runSeeds({
      seeds: [options.first],
      threads: 1,
      trace,
      onOutcome: (outcome) => {
        outcomes.push(outcome);
        return false;
      },
    });
  }
  const [one, two] = outcomes;
  if (one === undefined || two === undefined) return false;
  tell(one, options.trace);
  const isSame = one.digest === two.digest;
  say(isSame ? `seed ${one.seed}: ${one.digest}, twice` : `seed ${one.seed} gave ${one.digest}, then ${two.digest}`);
  return isSame && one.broken === undefined;
}

async function runMany(options: SimOptions): Promise<boolean> {
  const beganMs = performance.now();
  let done = 0;
  const broken: number[] = [];
  const sums = { ok: 0, refused: 0, unknown: 0, virtualMs: 0 };
  await runSeeds({
    seeds: seedsOf(options.kind, options.first, options.count),
    threads,
    onOutcome: (outcome) => {
      done += 1;
      sums.ok += outcome.writes.ok;
      sums.refused += outcome.writes.refused;
      sums.unknown += outcome.writes.unknown;
      sums.virtualMs += outcome.virtualMs;
      tell(outcome, false);
      if (outcome.broken !== undefined) broken.push(outcome.seed);
      if (done % 100 === 0) say(`${done} of ${options.count}`);
      return false;
    },
  });
  const seconds = (performance.now() - beganMs) / 1_000;
  const hours = (sums.virtualMs / 3_600_000).toFixed(1);
  say(`\n${done} histories from seed ${options.first} on in ${seconds.toFixed(1)} s: ${hours} virtual hours,`);
  say(`${sums.ok} writes acknowledged, ${sums.refused} refused, ${sums.unknown} unknown`);
  if (broken.length > 0) say(`broken: ${broken.sort((a, b) => a - b).join(' ')}`);
  return broken.length === 0;
}

async function main(): Promise<boolean> {
  const options = readOptions(process.argv.slice(2));
  if (options.mutations) return catchAll(planted(options), options, threads, say);
  return options.count === 1 ? runTwice(options) : runMany(options);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  // A name that is no bug's, or a patch that has lost its place.
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
