import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fastProducer } from '@moldau/bench';
import { machine } from '@moldau/measure-tool/machine';
import { reached } from './goals.ts';
import { type Bench, parts } from './parts.ts';
import { record, regressions } from './regression.ts';
import { goalTable, tables } from './report.ts';
import { Measured } from './samples.ts';
import { peers } from './systems/peers.ts';
import { type InstalledSystem, NotHere } from './systems/system.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});

const full = { parts: Object.keys(parts), rounds: 5, seconds: 5, peers: true };
const quick = { parts: ['small', 'medium', 'latency'], rounds: 3, seconds: 1.5, peers: false };
const plan = options.quick ? quick : full;

const startedAt = performance.now();
const say = (text: string): void => {
  const at = `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  process.stderr.write(`${at.padStart(6)}  ${text}\n`);
};

/** What there is to compare with on this machine; says why something is not. */
async function installPeers(asked: readonly string[] | undefined): Promise<Map<string, InstalledSystem>> {
  const installed = new Map<string, InstalledSystem>();
  for (const peer of peers) {
    const isAsked = asked?.some((name) => peer.name.toLowerCase().includes(name.trim().toLowerCase())) ?? plan.peers;
    if (!isAsked) continue;
    try {
      say(`fetching ${peer.name}`);
      installed.set(peer.name, await peer.install());
    } catch (error) {
      if (!(error instanceof NotHere)) throw error;
      say(`${peer.name} is left out: ${error.message}`);
    }
  }
  return installed;
}

/** Of what is measured. */
function commit(): string {
  const run = (...args: readonly string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return `${run('rev-parse', '--short', 'HEAD')}${run('status', '--porcelain') === '' ? '' : ', changed'}`;
  } catch {
    return 'unknown';
  }
}

const directory = mkdtempSync(join(tmpdir(), 'moldau-bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const before = machine();
const installed = await installPeers(options.peers?.split(','));
const bench = (): Bench => ({
  directory,
  effort: {
    rounds: Number(options.rounds ?? plan.rounds),
    seconds: Number(options.seconds ?? plan.seconds),
    coldBytes: 4 * 2 ** 30,
    memoryMinutes: 10,
  },
  measured: new Measured(),
  peers: installed,
  say,
});

async function measureAll(): Promise<Measured> {
  const one = bench();
  for (const name of options.only?.split(',') ?? plan.parts) {
    const part = parts[name];
    if (part === undefined) throw new Error(`no part ${name}: there are ${Object.keys(parts).join(', ')}`);
    await part(one);
  }
  return one.measured;
}

const measured = await measureAll();
const all = reached(measured);
const { batchSize, linger, buffer } = fastProducer;
console.log(`${before}, commit ${commit()}\n`);
console.log(
  `Moldau: synced before it is acknowledged; pushAll, batches of ${batchSize}, linger ${linger}, buffer ${buffer}.`,
);
for (const [name, { version, settings }] of installed) console.log(`${name} ${version}: ${settings}.`);
console.log(`\n${tables(measured)}\n\n${goalTable(all)}`);
if (options.json !== undefined) {
  const versions = Object.fromEntries([...installed].map(([name, { version }]) => [name, version]));
  const result = { machine: before, commit: commit(), versions, measured: [...measured.all], goals: all };
  writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
if (options.record) record(all);
if (options.check) {
  let worse = regressions(all);
  if (worse.length > 0) {
    say('slower than it was: measured once more, for this machine may have been busy');
    const again = new Set(regressions(reached(await measureAll())).map(({ key }) => key));
    worse = worse.filter(({ key }) => again.has(key));
  }
  for (const { text } of worse) console.log(`slower, twice: ${text}`);
  console.log(worse.length === 0 ? '\nNo ratio to the ceiling has fallen by more than a third.' : '');
  process.exitCode = worse.length === 0 ? 0 : 1;
}
process.exit();
