import { Moldau } from '@moldau/client';
import { bytes, type Values } from '@moldau/config';
import { Gateway } from '@moldau/gateway';
import { collectEarly } from '@moldau/host';
import { GrpcDialer, limitsFor } from '@moldau/rpc';
import { Subscriptions } from '@moldau/subscriptions';
import { addresses, addressList, processSettings, telemetryOf } from './process-settings.ts';
import type { ProcessWorld, Program, RunningService } from './program.ts';
import { serveServices } from './served.ts';
import { batchBytesMax, drainMs, serverInfo, sessionWindowBytes } from './server-info.ts';
import { checkTls, readTls } from './tls-files.ts';
import { version } from './version.ts';

const callTimeoutMs = 10_000;

const settings = {
  coordinators: addresses('Every coordinator of the cluster.'),
  'append.bytes': bytes({
    default: '256MiB',
    min: '16MiB',
    doc: 'Memory for batches on their way to storage nodes. Beyond it they are refused, to be tried again.',
  }),
  'fetch.bytes': bytes({
    default: '256MiB',
    min: '16MiB',
    doc: 'Memory for batches on their way to readers, who wait for each other beyond it.',
  }),
  ...processSettings(7070),
};

async function start(values: Values<typeof settings>, world: ProcessWorld): Promise<RunningService> {
  const onMoved = collectEarly();
  const tls = readTls(values);
  const limits = limitsFor(batchBytesMax);
  const dialer = new GrpcDialer({ ...world, limits, onMoved, tls: tls.client });
  const gateway = new Gateway(
    { ...world, dialer },
    {
      coordinators: addressList(values.coordinators),
      appendBytes: values['append.bytes'],
      fetchBytes: values['fetch.bytes'],
      windowBytes: sessionWindowBytes,
    },
  );
  // A subscriber's consumer goes to the nodes by itself.
  const client = new Moldau(addressList(values.coordinators), callTimeoutMs, { ...world, dialer });
  const subscriptions = new Subscriptions(client, world);
  const identity = { version, roles: ['gateway'], nodeId: 0, capabilities: ['batches', 'sessions', 'groups'] };
  const services = [
    ...gateway.services(),
    subscriptions.service(),
    serverInfo(identity, limits, () => gateway.clusterId),
  ];
  const served = await serveServices(services, values, { limits, tls, world, onMoved });
  const stop = async (): Promise<void> => {
    gateway.drain(drainMs);
    subscriptions.drain(drainMs);
    await subscriptions.stop();
    await served.drain(drainMs);
    await client.close();
    await gateway.stop();
  };
  await gateway.start();
  served.ready();
  const { host, port } = served;
  return { host, port, stop, problem: () => (gateway.isServing ? undefined : gateway.stage) };
}

export const gatewayProgram: Program<typeof settings> = {
  name: 'gateway',
  summary: 'one address for a whole cluster',
  settings,
  telemetry: telemetryOf,
  check: checkTls,
  start,
};
