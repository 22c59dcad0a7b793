import test from 'ava';
import fc from 'fast-check';
import { actions, runHistory } from './support/history.ts';
import { plant, plantedBugs } from './support/planted-bugs.ts';

const numRuns = Number(process.env.MOLDAU_RUNS ?? 3_000);

for (const bug of plantedBugs) {
  test(`caught: ${bug.name}`, async (t) => {
    const machines = await plant(bug);
    const caught = [1, 2, 3].map((minIsr) =>
      fc.check(
        fc.property(actions, (steps) => void runHistory(steps, minIsr, machines)),
        { seed: minIsr, numRuns, endOnFailure: true },
      ),
    );
    t.log(
      caught
        .map(({ failed, numRuns: after, errorInstance }) =>
          failed ? `${after}: ${(errorInstance as Error).message}` : '-',
        )
        .join(' | '),
    );
    t.true(caught.some(({ failed }) => failed));
  });
}
