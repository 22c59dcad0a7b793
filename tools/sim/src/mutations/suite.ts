import { seedsOf } from '../kinds.ts';
import { runSeeds } from '../seed-pool.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Where the seeds begin, and how many are tried for each bug: of the kind that may meet it. */
export interface Trial {
  readonly first: number;
  readonly count: number;
}

/** What came of one planted bug. */
export interface Caught {
  /** Seeds that were run until it was caught; `undefined`: it was not. */
  readonly within: number | undefined;
  readonly what: string;
}

/** Runs seeds with the bug in the code until one of them breaks a promise. */
export async function catchOne(bug: PlantedBug, { first, count }: Trial, threads: number): Promise<Caught> {
  let tried = 0;
  let caught: Caught = { within: undefined, what: '' };
  await runSeeds({
    seeds: seedsOf(bug.kind ?? 'log', first, count),
    threads,
    bug,
    onOutcome: ({ seed, broken }) => {
      tried += 1;
      if (broken === undefined || caught.within !== undefined) return caught.within !== undefined;
      caught = { within: tried, what: `seed ${seed}: ${broken.what.split('\n')[0]}` };
      return true;
    },
  });
  return caught;
}

/** Every bug must be caught. */
export async function catchAll(
  bugs: readonly PlantedBug[],
  trial: Trial,
  threads: number,
  say: (text: string) => void,
): Promise<boolean> {
  let missed = 0;
  for (const bug of bugs) {
    const { within, what } = await catchOne(bug, trial, threads);
    if (within === undefined) missed += 1;
    say(
      within === undefined
        ? `NOT CAUGHT  ${bug.name}, in ${trial.count} seeds`
        : `caught in ${within}  ${bug.name}\n    ${what}`,
    );
  }
  say(
    missed === 0 ? `all ${bugs.length} planted bugs are caught` : `${missed} of ${bugs.length} planted bugs are missed`,
  );
  return missed === 0;
}
