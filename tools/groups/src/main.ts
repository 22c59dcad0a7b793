import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { machine } from '@moldau/measure-tool/machine';
import { table } from '@moldau/measure-tool/table';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import { scenarios } from './scenarios/index.ts';
import { type Outcome, runScenario } from './scene.ts';

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string' },
    scale: { type: 'string', default: '1' },
  },
});

function report(outcomes: readonly Outcome[]): never {
  console.log(`\n${machine()}\n\n${table(outcomes.flatMap(({ figures }) => figures))}\n`);
  for (const { scenario, problems } of outcomes)
    console.log(`${scenario}: ${problems.length === 0 ? 'holds' : `FAILED: ${problems.join('; ')}`}`);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine: machine(), outcomes }, undefined, 2)}\n`);
  // A scenario that failed may have left a member behind that still tries.
  process.exit(outcomes.some(({ problems }) => problems.length > 0) ? 1 : 0);
}

const names = options.only?.split(',') ?? scenarios.map(({ name }) => name);
const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
if (options.help || unknown !== undefined) {
  const list = scenarios.map(({ name, what }) => `  ${name}: ${what}`).join('\n');
  console.log(`npm run groups -- [--only NAME,…] [--scale 0.1] [--json FILE]\n\n${list}`);
  process.exitCode = options.help ? 0 : 2;
} else if (await hasEtcd()) {
  const run = { scale: Number(options.scale), say: (text: string) => console.log(text) };
  const outcomes: Outcome[] = [];
  for (const scenario of scenarios.filter(({ name }) => names.includes(name)))
    outcomes.push(await runScenario(scenario, run));
  report(outcomes);
} else {
  console.log('there is no etcd here: put one into the PATH');
  process.exitCode = 1;
}
