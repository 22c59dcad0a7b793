import { statfs } from 'node:fs/promises';
import { unknownVariables } from '@moldau/config';
import { MoldauError } from '@moldau/kernel';
import { Severity } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { ended, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { printRows } from '../listing.ts';
import { roughBytes } from '../numbers.ts';
import { clientOf } from '../session.ts';
import { type GlobalOptions, type Settings, settingsOf, variableNames } from '../settings.ts';
import { version } from '../version.ts';

type Check = {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'bad' | 'unknown';
  readonly found: string;
  /** Empty: nothing. */
  readonly to_do: string;
};

type Client = ReturnType<typeof clientOf>;

const neededNode = 24;
const slowMs = 500;
const littleBytes = 1024 ** 3;

/** `moldau doctor`: what may be wrong here, and what to do about it. Ends with 1 when something is bad. */
export async function doctor(options: GlobalOptions, io: Io): Promise<void> {
  const settings = settingsOf(options, io).values;
  const checks = [checkNode(), checkVariables(io), await checkDisk(), ...(await checkCluster(settings))];
  await printRows(checks, 'check', settings.output, io);
  if (checks.some(({ state }) => state === 'bad')) throw ended(exitCode.failed);
}

const ok = (check: string, found: string): Check => ({ check, state: 'ok', found, to_do: '' });

function checkNode(): Check {
  const found = process.versions.node;
  if (Number.parseInt(found, 10) >= neededNode) return ok('node', found);
  return { check: 'node', state: 'bad', found, to_do: `install Node ${neededNode}, or run npm ci again` };
}

function checkVariables({ env }: Io): Check {
  const unknown = unknownVariables(variableNames, env).map(({ name }) => name);
  if (unknown.length === 0) return ok('variables', 'all known');
  return {
    check: 'variables',
    state: 'warning',
    found: unknown.join(', '),
    to_do: `known are ${variableNames.join(', ')}`,
  };
}

async function checkDisk(): Promise<Check> {
  const { bavail, bsize } = await statfs('.');
  const freeBytes = bavail * bsize;
  const found = `${roughBytes(freeBytes)} free here`;
  if (freeBytes >= littleBytes) return ok('disk', found);
  return { check: 'disk', state: 'warning', found, to_do: 'free some space, or run moldau dev --dir on another disk' };
}

async function checkCluster(settings: Settings): Promise<Check[]> {
  const client = clientOf(settings);
  const toStart = 'start a cluster with `moldau dev`, or say with -s where it is';
  try {
    return await orBad('endpoint', toStart, async () => [
      ...(await checkServer(client, settings)),
      ...(await orBad('coordinator', 'start one, or look at the logs of those that run', () => checkMetadata(client))),
    ]);
  } finally {
    await client.close();
  }
}

/** `check` is bad when it fails, and `toDo` against that. */
async function orBad(check: string, toDo: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof MoldauError)) throw error;
    return [{ check, state: 'bad', found: error.message, to_do: toDo }];
  }
}

async function checkServer({ admin }: Client, settings: Settings): Promise<Check[]> {
  const startedAt = performance.now();
  const server = await admin.serverInfo();
  const tookMs = Math.round(performance.now() - startedAt);
  return [
    tookMs < slowMs
      ? ok('endpoint', `${settings.endpoints} answers in ${tookMs} ms`)
      : {
          check: 'endpoint',
          state: 'warning',
          found: `${settings.endpoints} took ${tookMs} ms`,
          to_do: 'look at the network between here and there, and at the load of the server',
        },
    server.version === version
      ? ok('versions', version)
      : {
          check: 'versions',
          state: 'warning',
          found: `client ${version}, server ${server.version}`,
          to_do: 'use the same version on both sides where something behaves strangely',
        },
    { check: 'clock', state: 'unknown', found: 'servers do not tell their time', to_do: '' },
  ];
}

async function checkMetadata({ admin }: Client): Promise<Check[]> {
  const { coordinator, findings } = await admin.describeCluster();
  return [
    ok('coordinator', `${coordinator} decides`),
    ...findings.map(
      ({ severity, message }): Check => ({
        check: 'cluster',
        state: severity === Severity.CRITICAL ? 'bad' : 'warning',
        found: message,
        to_do: 'see moldau cluster status',
      }),
    ),
  ];
}
