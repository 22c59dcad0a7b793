import test from 'ava';
import { CopyHistory } from './support/copy-history.ts';
import { History } from './support/history.ts';

const runs = Number(process.env.MOLDAU_RUNS ?? 200);
const firstSeed = Number(process.env.MOLDAU_SEED ?? 1);

test('no history loses, changes or repeats what was acknowledged', async (t) => {
  t.timeout(600_000);
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    try {
      await new History(seed).run(60);
    } catch (error) {
      t.log(`MOLDAU_SEED=${seed} MOLDAU_RUNS=1 repeats it`);
      throw error;
    }
  }
  t.pass();
});

test('no history of a leader and its copy lets them differ, or loses what both had', async (t) => {
  t.timeout(600_000);
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    try {
      await new CopyHistory(seed).run(80);
    } catch (error) {
      t.log(`MOLDAU_SEED=${seed} MOLDAU_RUNS=1 repeats it`);
      throw error;
    }
  }
  t.pass();
});
