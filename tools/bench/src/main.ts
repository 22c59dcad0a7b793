import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fastProducer } from '@moldau/bench';
import { machine } from '@moldau/measure-tool/machine';
import { reached } from './goals.ts';
import { help, type Options, optionsOf, WrongOption } from './options.ts';
import { type Bench, parts } from './parts.ts';
import { record, regressions } from './regression.ts';
import { goalTable, tables } from './report.ts';
import { Measured } from './samples.ts';
import { peers } from './systems/peers.ts';
import { type InstalledSystem, NotHere } from './systems/system.ts';

const choices = { parts: Object.keys(parts), peers: peers.map(({ name }) => name) };

/** What was asked for. Ends the process when that was help, or can't be. */
function asked(): Options {
  try {
    const options = optionsOf(process.argv.slice(2), choices);
    if (options !== undefined) return options;
    console.log(help(choices));
    process.exit(0);
  } catch (error) {
    if (!(error instanceof WrongOption)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(2);
  }
}

const options = asked();
const startedAt = performance.now();
const say = (text: string): void => {
  const at = `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  process.stderr.write(`${at.padStart(6)}  ${text}\n`);
};

/** What there is to compare with on this machine; says why something is not. */
async function installPeers(names: readonly string[]): Promise<Map<string, InstalledSystem>> {
  const installed = new Map<string, InstalledSystem>();
  for (const peer of peers) {
    if (!names.includes(peer.name)) continue;
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
    const changes = run('status', '--porcelain', '--untracked-files=no');
    return `${run('rev-parse', '--short', 'HEAD')}${changes === '' ? '' : ', changed'}`;
  } catch {
    return 'unknown';
  }
}

const directory = mkdtempSync(join(tmpdir(), 'moldau-bench-'));
// Whatever is started here keeps its files below.
process.env.TMPDIR = directory;
// Children are killed before, by what started them; the last files of those may still be on their way.
process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
const before = machine();
const [load = 0] = loadavg();
if (load > availableParallelism())
  say(
    `warning: this machine is busy, a load of ${load.toFixed(1)} on ${availableParallelism()} cores: ratios will be off`,
  );
const installed = await installPeers(options.peers);
const bench = (): Bench => ({
  directory,
  effort: {
    rounds: options.rounds,
    seconds: options.seconds,
    coldBytes: 4 * 2 ** 30,
    memoryMinutes: 30,
  },
  measured: new Measured(),
  peers: installed,
  say,
});

async function measureAll(): Promise<Measured> {
  const one = bench();
  for (const name of options.parts) await parts[name]?.(one);
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
console.log(`\n${goalTable(all)}\n\n${tables(measured)}`);
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
