import { hostname } from 'node:os';
import { boolean, duration, integer, optional, text, type Values } from '@moldau/config';
import { Coordinator } from '@moldau/coordinator';
import { GrpcDialer, limitsFor } from '@moldau/rpc';
import { checkStore, openStore, storeSettings } from './metadata-store.ts';
import { processSettings, telemetryOf } from './process-settings.ts';
import type { ProcessWorld, Program, RunningService } from './program.ts';
import { serveServices } from './served.ts';
import { batchBytesMax, drainMs, serverInfo } from './server-info.ts';
import { checkTls, readTls } from './tls-files.ts';
import { version } from './version.ts';

const settings = {
  instance: optional(text({ doc: 'The name of this coordinator, for people. Default: the name of the machine.' })),
  ...storeSettings,
  'lease.ttl': duration({
    default: '5s',
    min: '2s',
    max: '1m',
    doc: 'Another coordinator takes over when the store has not heard the active one for so long.',
  }),
  'session.timeout': duration({
    default: '9s',
    min: '2s',
    max: '5m',
    doc: 'A storage node that was not heard for so long leads nothing any more.',
  }),
  'auto.create.topics': boolean({
    default: false,
    doc: 'A topic that does not exist is created for a client that asks so: `moldau produce` and the producers of the TypeScript client do, by `GetMetadata` with `auto_create`. An append alone creates none.',
  }),
  'default.partitions': integer({ default: 1, min: 1, max: 100_000, doc: 'Of a topic that does not say how many.' }),
  'default.replicas': integer({ default: 1, min: 1, max: 7, doc: 'Of a topic that does not say how many.' }),
  'tombstone.grace': duration({
    default: '7d',
    min: '1m',
    doc: 'A storage node that was away for less than this still learns which topics were deleted.',
  }),
  ...processSettings(7080),
};

async function start(values: Values<typeof settings>, world: ProcessWorld): Promise<RunningService> {
  const tls = readTls(values);
  const limits = limitsFor(batchBytesMax);
  const store = openStore(values, world);
  const coordinator = new Coordinator(
    { ...world, store, dialer: new GrpcDialer({ ...world, limits, tls: tls.client }) },
    {
      instance: values.instance ?? hostname(),
      leaseMs: values['lease.ttl'],
      sessionTimeoutMs: values['session.timeout'],
      autoCreate: values['auto.create.topics'],
      defaultPartitions: values['default.partitions'],
      defaultReplicas: values['default.replicas'],
      tombstoneGraceMs: values['tombstone.grace'],
    },
  );
  const identity = { version, roles: ['coordinator'], nodeId: 0, capabilities: [] };
  const services = [...coordinator.services(), serverInfo(identity, limits, () => coordinator.clusterId)];
  const served = await serveServices(services, values, { limits, tls, world });
  const stop = async (): Promise<void> => {
    await coordinator.stop();
    await served.drain(drainMs);
    await store.close();
  };
  try {
    await coordinator.start(served.address);
  } catch (error) {
    await stop();
    throw error;
  }
  served.ready();
  const { host, port } = served;
  return { host, port, stop, failed: coordinator.failed, problem: () => problemOf(coordinator) };
}

const problemOf = ({ stage }: Coordinator): string | undefined =>
  stage === 'active' || stage === 'standby' ? undefined : stage;

export const coordinatorProgram: Program<typeof settings> = {
  name: 'coordinator',
  summary: 'decides which nodes serve, which topics exist and who leads each partition',
  settings,
  telemetry: telemetryOf,
  check: (values) => {
    checkTls(values);
    checkStore(values);
  },
  start,
};
