import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { machine } from '@moldau/measure-tool/machine';
import { table } from '@moldau/measure-tool/table';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import { type Outcome, runScenario } from './run.ts';
import { scenarios } from './scenarios/index.ts';

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    seconds: { type: 'string', default: '5' },
  },
});

function report(outcomes: readonly Outcome[]): never {
  console.log(`\n${machine()}\n\n${table(outcomes.flatMap(({ figures }) => figures))}\n`);
  for (const { scenario, skipped, problems, acknowledged } of outcomes) {
    const verdict = problems.length === 0 ? `holds, ${acknowledged} records` : `FAILED: ${problems.join('; ')}`;
    console.log(`${scenario}: ${skipped === undefined ? verdict : `skipped: ${skipped}`}`);
  }
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine: machine(), outcomes }, undefined, 2)}\n`);
  // A scenario that failed may have left a producer behind that still tries.
  process.exit(outcomes.some(({ problems }) => problems.length > 0) ? 1 : 0);
}

const names = options.only?.split(',') ?? scenarios.map(({ name }) => name);
const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
if (options.help || unknown !== undefined) {
  const list = scenarios.map(({ name, what }) => `  ${name}: ${what}`).join('\n');
  console.log(`npm run failover -- [--only NAME,…] [--seconds CALM] [--seed NUMBER] [--json FILE]\n\n${list}`);
  process.exitCode = options.help ? 0 : 2;
} else if (await hasEtcd()) {
  const outcomes: Outcome[] = [];
  const wanted = scenarios.filter(({ name }) => names.includes(name));
  const run = {
    seconds: Number(options.seconds),
    seed: Number(options.seed),
    say: (text: string) => console.log(text),
  };
  console.log(`seed ${run.seed}`);
  for (const scenario of wanted) outcomes.push(await runScenario(scenario, run));
  report(outcomes);
}
