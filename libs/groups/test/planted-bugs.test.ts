import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { actions, recover, runHistory } from './support/history.ts';
import type { Machines } from './support/model-shard.ts';
import { plant, plantedBugs } from './support/planted-bugs.ts';
import { play } from './support/scenario.ts';

const numRuns = Number(process.env.MOLDAU_RUNS ?? 60);
const folder = new URL('cases/', import.meta.url);
const cases = readdirSync(folder).map((file) => ({ file, text: readFileSync(new URL(file, folder), 'utf8') }));

/** What a random history found, and after how many. */
function foundByHistories(machines: Machines): string[] {
  const property = fc.property(actions, (steps) =>
    recover(runHistory(steps, { mixed: true, intervalMs: 0 }, machines)),
  );
  const { failed, numRuns: after, errorInstance } = fc.check(property, { seed: 1, numRuns, endOnFailure: true });
  return failed ? [`history ${after}: ${String(errorInstance)}`] : [];
}

/** Scenarios that go another way than they should. */
const foundByScenarios = (machines: Machines): string[] =>
  cases.flatMap(({ file, text }) => {
    try {
      return play(text, machines) === text ? [] : [file];
    } catch (error) {
      return [`${file}: ${String(error)}`];
    }
  });

// A checker that can't fail is no checker.
for (const bug of plantedBugs) {
  test(`caught: ${bug.name}`, async (t) => {
    t.timeout(600_000);
    const machines = await plant(bug);
    const found = [...foundByHistories(machines), ...foundByScenarios(machines)];
    for (const one of found) t.log(one);
    t.true(found.length > 0);
  });
}
