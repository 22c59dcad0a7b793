import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import test from 'ava';
import { runScenario } from '../src/run.ts';
import { leaderKilled } from '../src/scenarios/leader.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

withEtcd('a leader dies by SIGKILL: no user notices, and all three copies hold everything, the same', async (t) => {
  const said: string[] = [];
  const { problems, acknowledged } = await runScenario(leaderKilled, { seconds: 1, say: (text) => said.push(text) });
  t.deepEqual(problems, [], said.join('\n'));
  t.true(acknowledged > 0);
});
