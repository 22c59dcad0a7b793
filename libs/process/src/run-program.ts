import { parseArgs } from 'node:util';
import {
  type Config,
  describeConfig,
  environmentName,
  flagName,
  renderTable,
  resolve,
  type Schema,
  type Sources,
} from '@moldau/config';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { type Logger, StartError } from '@moldau/kernel';
import type { Program, RunningService } from './program.ts';
import { startTelemetry, type Telemetry } from './telemetry.ts';
import { version } from './version.ts';

/** A stop that takes longer is cut off: what is acknowledged is on disk all the same. */
const stopWithinMs = 20_000;
/** A Ctrl-C reaches the whole process group, and a wrapper hands it on: within this time it is the same one. */
const echoMs = 100;

/** What the command line and docker-compose.yml read from the same environment. */
const commandLineVariables = [
  ...['MOLDAU_ENDPOINTS', 'MOLDAU_TIMEOUT', 'MOLDAU_TOKEN', 'MOLDAU_OUTPUT', 'MOLDAU_PROFILE'],
  ...['MOLDAU_TLS_CA', 'MOLDAU_TLS_CERT', 'MOLDAU_TLS_KEY', 'MOLDAU_TLS_SERVER_NAME', 'MOLDAU_PORT'],
];

const exit = { ok: 0, failed: 1, usage: 2 } as const;

/** Runs a service until it is told to stop. Resolves with what the process shall end with. */
export async function runProgram<S extends Schema>(program: Program<S>, args: readonly string[]): Promise<number> {
  let config: Config<S>;
  try {
    const given = flagsOf(program, args);
    if (given === undefined) return exit.ok;
    config = resolve(program.settings, { ...given, environment: process.env }, commandLineVariables);
    program.check?.(config.values);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${program.name}: ${problem}\n--help shows every setting\n`);
    return exit.usage;
  }
  let telemetry: Telemetry;
  try {
    telemetry = await startTelemetry(program.telemetry(config.values));
  } catch (error) {
    process.stderr.write(`${program.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return exit.failed;
  }
  const { logger } = telemetry;
  logger.info(`${program.name} starts`, { version, ...describeConfig(program.settings, config) });
  // The timers of services keep no process alive, and a start may have to wait.
  const alive = setInterval(() => {}, 60_000);
  try {
    return await serve(program, config, telemetry, logger);
  } finally {
    clearInterval(alive);
    await telemetry.close();
  }
}

async function serve<S extends Schema>(
  program: Program<S>,
  config: Config<S>,
  telemetry: Telemetry,
  logger: Logger,
): Promise<number> {
  const told = untilToldToStop();
  const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger, meter: telemetry.meter };
  let service: RunningService | undefined;
  try {
    const starting = program.start(config.values, world);
    service = await Promise.race([starting, told]);
    // Nothing was served yet, and what is half started has no order to stop in.
    if (service === undefined) process.exit(exit.ok);
    const { host, port } = service;
    telemetry.readyWhen(() => service?.problem());
    logger.info(`${program.name} is ready`, { address: `${host}:${port}`, http: telemetry.httpPort });
    await Promise.race(service.failed === undefined ? [told] : [told, service.failed]);
  } catch (error) {
    const problem = error instanceof StartError ? error.message : error;
    logger.error(`${program.name} can not go on`, { problem: problem instanceof Error ? problem.message : problem });
    if (!(error instanceof StartError)) logger.debug('the cause', { error });
    await service?.stop().catch(() => {});
    return exit.failed;
  }
  logger.info(`${program.name} stops`);
  return await stopInTime(service, logger);
}

async function stopInTime(service: RunningService, logger: Logger): Promise<number> {
  const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), stopWithinMs).unref());
  const ended = await Promise.race([service.stop(), late]);
  if (ended !== 'late') return exit.ok;
  logger.warn('stopping took too long: ended where it was', { stopWithinMs });
  return exit.failed;
}

/** The first signal asks; the second ends the process, whatever is under way. */
function untilToldToStop(): Promise<undefined> {
  return new Promise((resolve) => {
    let toldAt: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        const now = performance.now();
        if (toldAt !== undefined && now - toldAt > echoMs) process.exit(130);
        toldAt ??= now;
        resolve(undefined);
      });
    }
  });
}

/** What was given as flags. `undefined`: only the help or the version was wanted. Throws a StartError. */
function flagsOf({ name, summary, settings }: Program, args: readonly string[]): Sources | undefined {
  const keys = Object.keys(settings);
  const options = Object.fromEntries(keys.map((key) => [flagName(key), { type: 'string' as const }]));
  const known = { ...options, help: { type: 'boolean' as const }, version: { type: 'boolean' as const } };
  const given = { args: [...args], options: known };
  const { tokens } = parseArgs({ ...given, strict: false, tokens: true });
  const unknownFlags = tokens.flatMap((token) =>
    token.kind === 'option' && !Object.hasOwn(known, token.name) ? token.rawName : [],
  );
  let values: Record<string, string | boolean | undefined>;
  try {
    // What stands behind an unknown flag may be its value: the rest can be read strictly only without any.
    ({ values } = parseArgs({ ...given, strict: unknownFlags.length === 0 }));
  } catch (cause) {
    throw new StartError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (values.version === true) process.stdout.write(`${version}\n`);
  else if (values.help === true) process.stdout.write(helpOf(name, summary, settings));
  else return { flags: textsOf(keys, values), unknownFlags };
  return undefined;
}

function textsOf(
  keys: readonly string[],
  values: Readonly<Record<string, string | boolean | undefined>>,
): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const key of keys) {
    const value = values[flagName(key)];
    if (typeof value === 'string') texts[key] = value;
  }
  return texts;
}

function helpOf(name: string, summary: string, settings: Schema): string {
  const lines = Object.entries(settings).map(([key, { type, defaultText, required, bounds, doc }]) => {
    const standard = required ? 'must be set' : defaultText === '' ? '' : `default ${defaultText}`;
    const facts = [type, standard, bounds].filter((fact) => fact !== '').join('; ');
    return `  --${flagName(key)}, ${environmentName(key)}\n      ${doc} (${facts})\n`;
  });
  return `${name}: ${summary}\n\nSettings, as a flag or as a variable:\n${lines.join('')}`;
}

/** All settings of a program as a table, for the documentation. */
export const settingsTable = ({ settings }: { readonly settings: Schema }): string => renderTable(settings);
