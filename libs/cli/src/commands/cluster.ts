import type { Moldau } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import { DescribeClusterResponseSchema, Severity } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { NodeRole, NodeSchema, NodeState, type Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { ended } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { factsOf, printRows, printThing, type Row, sayNone } from '../listing.ts';
import { rowOf, wordOf } from '../proto-json.ts';
import { withClient } from '../session.ts';
import type { GlobalOptions, Output } from '../settings.ts';
import { sideBySide } from '../side-by-side.ts';
import { watching } from '../watching.ts';

const topicsAtOnce = 16;

/** `moldau cluster status` */
export async function status(options: GlobalOptions & { readonly watch?: boolean }, io: Io): Promise<void> {
  await withClient(options, io, (client, { output }) => watching(options, io, () => showStatus(client, output, io)));
}

async function showStatus(client: Moldau, output: Output | undefined, io: Io): Promise<void> {
  const cluster = await client.admin.describeCluster();
  const thing = rowOf(DescribeClusterResponseSchema, cluster);
  const table = (): string => {
    const { findings: _, ...facts } = thing;
    const findings = cluster.findings.map(({ severity, message }) => `${severityOf(severity)}: ${message}\n`);
    return `${factsOf(facts)}\n${findings.length === 0 ? 'healthy\n' : findings.join('')}`;
  };
  await printThing(thing, { name: cluster.clusterId, table }, output, io);
}

const severityOf = (severity: Severity): string => wordOf(Severity, severity);

/** What monitoring tools agree on; the other commands mean something else by 2. */
const healthCode = { warning: 1, critical: 2 } as const;

/** `moldau cluster health`: ends with 0 when nothing is wrong, 1 on warnings, 2 when something does not work. */
export async function health(options: GlobalOptions, io: Io): Promise<void> {
  const worst = await withClient(options, io, async (client, { output }) => {
    const { findings } = await client.admin.describeCluster();
    const rows = findings.map(({ severity, message }) => ({ severity: severityOf(severity), message }));
    if (rows.length === 0 && options.quiet !== true) io.stderr.write('healthy\n');
    await printRows(rows, 'message', output, io);
    return Math.max(0, ...findings.map(({ severity }) => severity));
  });
  if (worst >= Severity.CRITICAL) throw ended(healthCode.critical);
  if (worst >= Severity.WARNING) throw ended(healthCode.warning);
}

/** `moldau cluster nodes` */
export async function nodes(options: GlobalOptions, io: Io): Promise<void> {
  await withClient(options, io, async (client, { output }) => {
    const found = await client.admin.listNodes();
    const rows = found.map((node) => ({
      ...rowOf(NodeSchema, node),
      state: wordOf(NodeState, node.state),
      role: wordOf(NodeRole, node.role),
      group_shards: node.groupShards.map(({ index }) => index),
    }));
    await printRows(rows, 'id', output, io);
    if (options.quiet === true) return;
    const { roles } = await client.admin.serverInfo();
    if (roles.includes('gateway')) io.stderr.write(gatewaysAddress);
  });
}

/** Where clients reach a node is what the contract tells, and so all that can be shown from here. */
const gatewaysAddress =
  'a gateway answered: the address is its own, for every node; ask a coordinator or a node (-s) for theirs\n';

/** `moldau cluster partitions`: of all topics, or of those that are named. */
export async function partitions(
  names: readonly string[],
  options: GlobalOptions & { readonly underReplicated?: boolean },
  io: Io,
): Promise<void> {
  await withClient(options, io, async (client, { output }) => {
    const described = names.length === 0 ? await allTopics(client) : await topicsNamed(client, names);
    const rows: Row[] = described.flatMap((topic) =>
      (topic?.partitions ?? [])
        .filter(({ leader, replicas, inSync }) => {
          const isWhole = leader !== undefined && inSync.length >= replicas.length;
          return options.underReplicated !== true || !isWhole;
        })
        .map(({ index, leader, leaderEpoch, replicas, inSync }) => ({
          partition: `${topic?.name}/${index}`,
          leader: leader ?? null,
          leader_epoch: leaderEpoch,
          replicas,
          in_sync: inSync,
        })),
    );
    await printRows(rows, 'partition', output, io);
    sayNone(rows, output, options, io);
  });
}

const topicsNamed = (client: Moldau, names: readonly string[]): Promise<(Topic | undefined)[]> =>
  sideBySide([...new Set(names)], topicsAtOnce, async (name) => (await client.admin.describeTopic(name)).topic);

async function allTopics(client: Moldau): Promise<(Topic | undefined)[]> {
  const topics = await client.admin.listTopics({ includeInternal: true });
  return sideBySide(topics, topicsAtOnce, ({ name }) => topicOf(client, name));
}

/** `undefined`: it has just been deleted. */
async function topicOf(client: Moldau, name: string): Promise<Topic | undefined> {
  try {
    return (await client.admin.describeTopic(name)).topic;
  } catch (error) {
    if (hasReason(error, 'UNKNOWN_TOPIC')) return undefined;
    throw error;
  }
}
