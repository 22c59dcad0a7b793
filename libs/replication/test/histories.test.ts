import test from 'ava';
import fc from 'fast-check';
import { actions, recover, runHistory, uncleanActions } from './support/history.ts';

const numRuns = Number(process.env.MOLDAU_RUNS ?? 1_000);
const seed = Number(process.env.MOLDAU_SEED ?? 1);

for (const minIsr of [1, 2, 3]) {
  test(`whatever happens, what is committed stays: min ISR ${minIsr}`, (t) => {
    t.timeout(600_000);
    fc.assert(
      fc.property(actions, (steps) => void runHistory(steps, minIsr)),
      { seed: seed + minIsr, numRuns, includeErrorInReport: true },
    );
    t.pass();
  });
}

test('an unclean election takes back what its leader lacks, once and for all', (t) => {
  t.timeout(600_000);
  let recovered = 0;
  fc.assert(
    fc.property(uncleanActions, (steps) => {
      const cluster = runHistory(steps, 2);
      const isUnclean = cluster.store.state.lastUncleanEpoch > 0;
      if (!isUnclean || cluster.store.state.leader === undefined) return;
      recover(cluster);
      recovered += 1;
    }),
    { seed, numRuns, includeErrorInReport: true },
  );
  t.true(recovered > numRuns / 20, `${recovered} of ${numRuns} histories had such an election`);
});

test('once faults end, all copies are one, and all of it is committed', (t) => {
  t.timeout(600_000);
  fc.assert(
    fc.property(actions, (steps) => {
      // A disk that lost its copy may leave nobody who may lead: that is for an operator.
      const cluster = runHistory(
        steps.filter(({ act }) => act !== 'lose'),
        2,
      );
      recover(cluster);
      const [first] = cluster.leaders;
      if (cluster.leaders.length !== 1 || first === undefined) throw new Error('one node leads');
      first.produce('last');
      cluster.settle();
      const logs = cluster.nodes.map(
        ({ log }) => `${log.from(log.logStart).at(-1)?.value} ${log.writtenEnd} ${log.highWatermark}`,
      );
      const expected = `last ${first.log.writtenEnd} ${first.log.writtenEnd}`;
      if (logs.some((one) => one !== expected)) throw new Error(`${logs.join(', ')} instead of ${expected}`);
      if (cluster.store.state.isr.length !== 3) throw new Error('all are in sync');
    }),
    { seed, numRuns: Math.ceil(numRuns / 4), includeErrorInReport: true },
  );
  t.pass();
});
