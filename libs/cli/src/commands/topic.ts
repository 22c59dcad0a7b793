import type { Moldau, NewTopic } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import {
  ConfigSource,
  DescribeTopicResponseSchema,
  TopicSummarySchema,
} from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { type Topic, TopicSchema } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { type ConfirmOptions, confirm } from '../confirm.ts';
import { eachName } from '../each-name.ts';
import { CommandFailed, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { factsOf, printRows, printThing, type Row, sayNone, tableOf } from '../listing.ts';
import { numberOf, pairOf } from '../numbers.ts';
import { rowOf, wordOf } from '../proto-json.ts';
import { withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';
import { sideBySide } from '../side-by-side.ts';

const topicsAtOnce = 16;

/** `moldau topic list` */
export async function list(options: GlobalOptions & { readonly internal?: boolean }, io: Io): Promise<void> {
  await withClient(options, io, async (client, { output }) => {
    const topics = await client.admin.listTopics({ includeInternal: options.internal === true });
    const rows = await sideBySide(topics, topicsAtOnce, async (topic) => ({
      ...rowOf(TopicSummarySchema, topic),
      size_bytes: await sizeOf(client, topic.name),
    }));
    await printRows(rows, 'name', output, io);
    sayNone(rows, output, options, io);
  });
}

/** What the leaders hold; `null` where one of them can't be asked now, or the topic has just gone. */
async function sizeOf(client: Moldau, topic: string): Promise<number | null> {
  try {
    const offsets = await client.admin.listOffsets(topic, 'end');
    return offsets.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  } catch (error) {
    if (hasReason(error, 'NOT_LEADER') || hasReason(error, 'UNKNOWN_TOPIC')) return null;
    throw error;
  }
}

export interface CreateOptions extends GlobalOptions {
  readonly partitions?: string;
  readonly replicas?: string;
  readonly config?: readonly string[];
  readonly ifNotExists?: boolean;
  readonly dryRun?: boolean;
}

/** `moldau topic create` */
export async function create(names: readonly string[], options: CreateOptions, io: Io): Promise<void> {
  const { partitions, replicas, ifNotExists = false, dryRun = false } = options;
  const wanted = {
    ...(partitions !== undefined && { partitions: numberOf('--partitions', partitions, 1, 100_000) }),
    ...(replicas !== undefined && { replicas: numberOf('--replicas', replicas, 1, 7) }),
    config: Object.fromEntries((options.config ?? []).map((text) => pairOf('setting', text))),
  };
  await withClient(options, io, async (client, { output }) => {
    if (names.length > 1 && !dryRun) await checkNew(client, names, wanted);
    await eachName(names, async (name) => {
      const before = ifNotExists ? await existing(client, name) : undefined;
      const topic = before ?? (await client.admin.createTopic({ name, ...wanted }, { dryRun, ifNotExists }));
      const count = topic.partitions.length;
      const done = dryRun ? 'would create' : 'created';
      const what = `${name} with ${count} partition${count === 1 ? '' : 's'}`;
      const shown = before === undefined ? `${done} ${what}\n` : `there is ${what} already\n`;
      if (output === undefined) say(shown, options, io);
      else await printThing(rowOf(TopicSchema, topic), { name, table: () => shown }, output, io);
    });
  });
}

/** Refuses all of them for one that can never be, before any is there. */
async function checkNew(client: Moldau, names: readonly string[], wanted: Omit<NewTopic, 'name'>): Promise<void> {
  for (const name of names) {
    try {
      await client.admin.createTopic({ name, ...wanted }, { dryRun: true });
    } catch (error) {
      if (!hasReason(error, 'TOPIC_EXISTS')) throw error;
    }
  }
}

/** The topic, where there is one. */
async function existing(client: Moldau, name: string): Promise<Topic | undefined> {
  try {
    return (await client.admin.describeTopic(name)).topic;
  } catch (error) {
    if (hasReason(error, 'UNKNOWN_TOPIC')) return undefined;
    throw error;
  }
}

/** `moldau topic describe` */
export async function describe(name: string, options: GlobalOptions, io: Io): Promise<void> {
  await withClient(options, io, async (client, { output }) => {
    const answer = await client.admin.describeTopic(name);
    const { topic, config } = answer;
    const table = (): string => {
      const facts = { name, id: topic?.id ?? null, created: new Date(Number(answer.createdMs)).toISOString() };
      const partitions = topic?.partitions.map((partition) => ({
        partition: partition.index,
        leader: partition.leader ?? null,
        leader_epoch: partition.leaderEpoch,
        replicas: partition.replicas,
        in_sync: partition.inSync,
      }));
      return `${factsOf(facts)}\n${tableOf(partitions ?? [])}\n${tableOf(config.map((setting) => inForce(topic, settingRow(setting))))}`;
    };
    await printThing(rowOf(DescribeTopicResponseSchema, answer), { name, table }, output, io);
  });
}

/** A topic of fewer replicas than min.insync.replicas says needs all of them, and no more. */
function inForce(topic: Topic | undefined, row: Row): Row {
  const needed = topic?.partitions[0]?.minInSync;
  if (row.key !== 'min.insync.replicas' || needed === undefined || String(needed) === row.value) return row;
  return { ...row, value: `${needed} (${row.value}, but there are no more replicas)` };
}

const settingRow = ({ key, value, source }: { key: string; value: string; source: ConfigSource }): Row => ({
  key,
  value,
  source: wordOf(ConfigSource, source),
});

/** `moldau topic config get` */
export async function configGet(name: string, keys: readonly string[], options: GlobalOptions, io: Io): Promise<void> {
  await withClient(options, io, async (client, { output }) => {
    const { config } = await client.admin.describeTopic(name);
    const unknown = keys.find((key) => !config.some((setting) => setting.key === key));
    if (unknown !== undefined) {
      const known = config.map(({ key }) => key).join(', ');
      throw new CommandFailed(exitCode.notFound, `no setting ${JSON.stringify(unknown)}: there are ${known}`);
    }
    const wanted = config.filter(({ key }) => keys.length === 0 || keys.includes(key));
    const rows = wanted.map((setting) => ({ ...settingRow(setting), expected: setting.expected, doc: setting.doc }));
    await printRows(rows, 'key', output, io);
  });
}

interface ChangeOptions extends GlobalOptions {
  readonly dryRun?: boolean;
}

/** `moldau topic config set` and `unset` */
export async function configChange(
  name: string,
  change: { readonly set: readonly string[]; readonly unset: readonly string[] },
  options: ChangeOptions,
  io: Io,
): Promise<void> {
  const { dryRun = false } = options;
  const set = Object.fromEntries(change.set.map((text) => pairOf('setting', text)));
  await withClient(options, io, async (client, { output }) => {
    const { config } = await client.admin.updateTopic(name, { set, unset: change.unset }, { dryRun });
    const changed = config.filter(({ key }) => Object.hasOwn(set, key) || change.unset.includes(key));
    await printRows(changed.map(settingRow), 'key', output, io);
    if (dryRun) say('nothing was changed: --dry-run\n', options, io);
  });
}

/** `moldau topic add-partitions` */
export async function addPartitions(
  name: string,
  options: ChangeOptions & { readonly to: string },
  io: Io,
): Promise<void> {
  const { dryRun = false } = options;
  const partitions = numberOf('--to', options.to, 1, 100_000);
  await withClient(options, io, async (client) => {
    await client.admin.updateTopic(name, { partitions }, { dryRun });
    say(
      `${name} ${dryRun ? 'would have' : 'has'} ${partitions} partitions; keys may go to other ones now\n`,
      options,
      io,
    );
  });
}

/** `moldau topic delete` */
export async function remove(names: readonly string[], options: GlobalOptions & ConfirmOptions, io: Io): Promise<void> {
  const { dryRun = false } = options;
  const what = names.length === 1 ? `topic ${names[0]}` : `${names.length} topics (${names.join(', ')})`;
  if (!dryRun) await confirm(`delete ${what} with all records`, options, io);
  await withClient(options, io, async (client) => {
    await eachName(names, async (name) => {
      await client.admin.deleteTopic(name, { dryRun });
      say(`${dryRun ? 'would delete' : 'deleted'} ${name}\n`, options, io);
    });
  });
}

function say(text: string, { quiet }: GlobalOptions, io: Io): void {
  if (quiet !== true) io.stderr.write(text);
}
