import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import test from 'ava';
import { runScenarios } from '../src/run.ts';
import { scenarios } from '../src/scenarios.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

withEtcd('a coordinator and a storage node of a real cluster die, and whoever uses it does not notice', async (t) => {
  const quick = scenarios.filter(({ name }) => name === 'coordinator-killed' || name === 'node-killed');
  const said: string[] = [];
  await runScenarios(quick, (text) => said.push(text));
  t.regex(said.at(-1) ?? '', /^\d+ records were acknowledged; all are there/);
});
