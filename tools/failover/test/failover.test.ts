import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import test from 'ava';
import { runScenario } from '../src/run.ts';
import { leaderKilled } from '../src/scenarios/leader.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

withEtcd('a leader dies by SIGKILL: no user notices, and all three copies hold everything, the same', async (t) => {
  const said: string[] = [];
  const options = { seconds: 1, seed: 1, say: (text: string) => said.push(text) };
  const { problems, acknowledged } = await runScenario(leaderKilled, options);
  t.deepEqual(problems, [], said.join('\n'));
  t.true(acknowledged > 0);
});
