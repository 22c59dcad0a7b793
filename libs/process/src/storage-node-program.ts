import { bytes, duration, integer, optional, text, type Values } from '@moldau/config';
import { bootId, collectEarly, HostFileSystem } from '@moldau/host';
import { labelled, nodeId } from '@moldau/kernel';
import { GrpcDialer, limitsFor } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import { addresses, addressList, processSettings, telemetryOf } from './process-settings.ts';
import type { ProcessWorld, Program, RunningService } from './program.ts';
import { serveNode } from './serve-node.ts';
import { batchBytesMax, sessionWindowBytes } from './server-info.ts';
import { checkTls, readTls } from './tls-files.ts';
import { version } from './version.ts';

const settings = {
  'node.id': integer({
    min: 1,
    max: 2_147_483_647,
    doc: 'The number of this node: of one data directory, for as long as that exists. No two nodes share one.',
  }),
  'data.dir': text({ doc: 'The directory that keeps its partitions. One process uses it at a time.' }),
  coordinators: addresses('Every coordinator of the cluster.'),
  rack: text({ default: '', doc: 'The rack, zone or host. Replicas of a partition are spread over racks.' }),
  'tail.cache.bytes': bytes({
    default: '32MiB',
    min: '1MiB',
    doc: 'Memory for the last batches of all partitions: who reads at the end needs no disk.',
  }),
  'append.bytes': bytes({
    default: '256MiB',
    min: '16MiB',
    doc: 'Memory that all appends may hold before they are durable. Beyond it they are refused, to be tried again.',
  }),
  'min.free.bytes': optional(
    bytes({ doc: 'Appends are refused while the disk has less room than this. Default: 5 % of it, at most 2 GiB.' }),
  ),
  'scrub.interval': duration({
    default: '1w',
    min: '1m',
    doc: 'Everything on its disk is checked, and compared with the copy of its leader, once in this time, at no more than 8 MiB/s. `unlimited`: never.',
  }),
  ...processSettings(7071),
};

async function start(values: Values<typeof settings>, given: ProcessWorld): Promise<RunningService> {
  const world = { ...given, meter: labelled(given.meter, { node: String(values['node.id']) }) };
  const onMoved = collectEarly();
  const tls = readTls(values);
  const limits = limitsFor(batchBytesMax);
  const fs = new HostFileSystem();
  await fs.makeDirectory(values['data.dir']);
  const node = new StorageNode(
    { ...world, fs, dialer: new GrpcDialer({ ...world, limits, onMoved, tls: tls.client }), bootId: await bootId() },
    {
      nodeId: nodeId(values['node.id']),
      directory: values['data.dir'],
      coordinators: addressList(values.coordinators),
      rack: values.rack,
      version,
      tailCacheBytes: values['tail.cache.bytes'],
      appendBudgetBytes: values['append.bytes'],
      appendWindowBytes: sessionWindowBytes,
      minFreeBytes: values['min.free.bytes'],
      scrubIntervalMs: values['scrub.interval'],
    },
  );
  const identity = {
    version,
    roles: ['storage-node'],
    nodeId: values['node.id'],
    capabilities: ['batches', 'sessions'],
  };
  const running = await serveNode(node, identity, values, { limits, tls, world, onMoved });
  return { ...running, problem: () => (node.isServing ? undefined : node.stage) };
}

export const storageNodeProgram: Program<typeof settings> = {
  name: 'storage-node',
  summary: 'keeps partitions, and serves those who append to them and read them',
  settings,
  telemetry: telemetryOf,
  check: checkTls,
  start,
};
