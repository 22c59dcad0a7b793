import test from 'ava';
import fc from 'fast-check';
import { actions, recover, runHistory } from './support/history.ts';

const numRuns = Number(process.env.MOLDAU_RUNS ?? 80);
const seed = Number(process.env.MOLDAU_SEED ?? 1);

for (const mixed of [false, true]) {
  for (const intervalMs of [0, 700]) {
    const how = `${mixed ? 'everybody wants something else' : 'all want the same'}, assignments every ${intervalMs} ms`;
    test(`whatever happens, one member owns a partition, and what is committed stays: ${how}`, (t) => {
      t.timeout(600_000);
      fc.assert(
        fc.property(actions, (steps) => void runHistory(steps, { mixed, intervalMs })),
        { seed: seed + intervalMs, numRuns, includeErrorInReport: true },
      );
      t.pass();
    });

    test(`once faults end, everybody has its share: ${how}`, (t) => {
      t.timeout(600_000);
      fc.assert(
        fc.property(actions, (steps) => recover(runHistory(steps, { mixed, intervalMs }))),
        { seed: seed + intervalMs + 1, numRuns: Math.ceil(numRuns / 2), includeErrorInReport: true },
      );
      t.pass();
    });
  }
}
