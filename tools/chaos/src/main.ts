import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import { runScenarios } from './run.ts';
import { scenarios } from './scenarios.ts';

const names = process.argv.slice(2);
const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown !== undefined || names.includes('--help')) {
  const list = scenarios.map(({ name, what }) => `  ${name}: ${what}`).join('\n');
  console.log(`npm run chaos -- [NAME …]     all of them by default\n\n${list}`);
  process.exitCode = unknown === undefined || unknown === '--help' ? 0 : 2;
} else if (await hasEtcd()) {
  const wanted = names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name));
  await runScenarios(wanted, (text) => console.log(text));
}
