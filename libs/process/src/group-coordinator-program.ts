import { duration, integer, text, type Values } from '@moldau/config';
import { GroupNode } from '@moldau/group-coordinator';
import { defaultGroupOptions } from '@moldau/groups';
import { nodeId } from '@moldau/kernel';
import { GrpcDialer, limitsFor } from '@moldau/rpc';
import { addresses, addressList, processSettings, telemetryOf } from './process-settings.ts';
import type { ProcessWorld, Program, RunningService } from './program.ts';
import { serveNode } from './serve-node.ts';
import { batchBytesMax } from './server-info.ts';
import { checkTls, readTls } from './tls-files.ts';
import { version } from './version.ts';

const settings = {
  'node.id': integer({
    min: 1,
    max: 2_147_483_647,
    doc: 'The number of this group coordinator. It shares one series of numbers with the storage nodes: no two have the same.',
  }),
  coordinators: addresses('Every coordinator of the cluster.'),
  rack: text({ default: '', doc: 'The rack, zone or host.' }),
  'session.timeout': duration({
    default: '45s',
    min: '6s',
    max: '30m',
    doc: 'A member of a group that was not heard for so long is dead: its partitions go to others.',
  }),
  'offsets.retention': duration({
    default: '7d',
    min: '1m',
    doc: 'The offsets of a group are kept for so long after its last member has left.',
  }),
  'group.members.max': integer({ default: 2_000, min: 1, max: 10_000, doc: 'Members that one group may have.' }),
  ...processSettings(7072),
};

async function start(values: Values<typeof settings>, world: ProcessWorld): Promise<RunningService> {
  const tls = readTls(values);
  const limits = limitsFor(batchBytesMax);
  const node = new GroupNode(
    { ...world, dialer: new GrpcDialer({ ...world, limits, tls: tls.client }) },
    {
      nodeId: nodeId(values['node.id']),
      coordinators: addressList(values.coordinators),
      rack: values.rack,
      version,
      options: {
        ...defaultGroupOptions,
        sessionTimeoutMs: values['session.timeout'],
        offsetsRetentionMs: values['offsets.retention'],
        membersMax: values['group.members.max'],
      },
    },
  );
  const identity = { version, roles: ['group-coordinator'], nodeId: values['node.id'], capabilities: ['groups'] };
  const running = await serveNode(node, identity, values, { limits, tls, world });
  return { ...running, problem: () => (node.isServing ? undefined : 'starting') };
}

export const groupCoordinatorProgram: Program<typeof settings> = {
  name: 'group-coordinator',
  summary: 'shares partitions among the members of consumer groups, and keeps their offsets',
  settings,
  telemetry: telemetryOf,
  check: checkTls,
  start,
};
