import type { GroupInfo, GroupPlace, GroupPosition, Moldau, TopicPartition } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import { type ConfirmOptions, confirm } from '../confirm.ts';
import { eachName } from '../each-name.ts';
import { usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { factsOf, printRows, printThing, type Row, sayNone, tableOf } from '../listing.ts';
import { partitionOf } from '../numbers.ts';
import { parsePlace } from '../place-range.ts';
import { withClient } from '../session.ts';
import type { GlobalOptions, Output } from '../settings.ts';
import { watching } from '../watching.ts';

/** `moldau group list` */
export async function list(options: GlobalOptions, io: Io): Promise<void> {
  await withClient(options, io, async ({ admin }, { output }) => {
    const rows = (await admin.listGroups()).map(({ group, members }) => ({ group, members }));
    await printRows(rows, 'group', output, io);
    sayNone(rows, output, options, io);
  });
}

/** `moldau group describe` */
export async function describe(
  name: string,
  options: GlobalOptions & { readonly watch?: boolean },
  io: Io,
): Promise<void> {
  await withClient(options, io, (client, { output }) =>
    watching(options, io, () => showGroup(client, name, output, io)),
  );
}

async function showGroup({ admin }: Moldau, name: string, output: Output | undefined, io: Io): Promise<void> {
  const group = await admin.describeGroup(name);
  const members = group.members.map((member) => ({
    member_id: member.memberId,
    instance_id: member.instanceId ?? null,
    member_epoch: member.epoch,
    rack: member.rack,
    assigned: namesOf(member.assigned),
    revoking: namesOf(member.revoking),
    pending: namesOf(member.pending),
  }));
  const lag = group.positions.map(lagRow);
  const facts = {
    group: group.group,
    state: stateOf(group),
    group_epoch: group.epoch,
    assignment_epoch: group.assignmentEpoch,
    assignor: group.assignor,
  };
  const table = (): string => {
    const shown = members.map(({ member_id, instance_id, member_epoch, assigned, revoking, pending }) => ({
      ...{ member_id, instance_id, member_epoch, assigned, revoking, pending },
    }));
    return [factsOf(facts), tableOf(shown), tableOf(lag)].filter((part) => part !== '').join('\n');
  };
  await printThing({ ...facts, members, lag }, { name, table }, output, io);
}

/** In a word. A member whose share stays what it is hears nothing, and keeps its epoch. */
function stateOf({ members, epoch, assignmentEpoch }: GroupInfo): string {
  if (members.length === 0) return 'empty';
  const isMoving = members.some(({ revoking, pending }) => revoking.length > 0 || pending.length > 0);
  return isMoving || assignmentEpoch < epoch ? 'rebalancing' : 'stable';
}

const namesOf = (partitions: readonly TopicPartition[]): string[] =>
  partitions.map(({ topic, partition }) => `${topic}/${partition}`);

const lagRow = ({ topic, partition, committed, end, lag, behindMs, memberId, metadata }: GroupPosition): Row => ({
  partition: `${topic}/${partition}`,
  committed: offsetOf(committed),
  end_offset: offsetOf(end),
  records: offsetOf(lag),
  behind_ms: behindMs ?? null,
  member_id: memberId ?? null,
  ...(metadata !== '' && { metadata }),
});

const offsetOf = (offset: bigint | undefined): string | null => (offset === undefined ? null : String(offset));

/** `moldau group lag` */
export async function lag(names: readonly string[], options: GlobalOptions, io: Io): Promise<void> {
  await withClient(options, io, async ({ admin }, { output }) => {
    const rows: Row[] = [];
    await eachName(names, async (name) => {
      for (const position of await admin.groupLag(name)) rows.push({ group: name, ...lagRow(position) });
    }).finally(() => printRows(rows, 'partition', output, io));
    sayNone(rows, output, options, io);
  });
}

export interface SeekOptions extends GlobalOptions, ConfirmOptions {
  readonly to: string;
  readonly topic?: readonly string[];
  readonly partition?: string;
  readonly force?: boolean;
}

/** `moldau group seek` */
export async function seek(name: string, options: SeekOptions, io: Io): Promise<void> {
  const { dryRun = false, force = false, topic: topics } = options;
  const to = placeOf(options.to);
  if (typeof to === 'object' && 'offset' in to && options.partition === undefined)
    throw usage('--to with an offset needs --partition: offsets of partitions have nothing to do with each other');
  if (options.partition !== undefined && topics === undefined)
    throw usage('--partition needs --topic: it would move that partition of every topic of the group');
  const wanted = {
    force,
    ...(topics !== undefined && { topics }),
    ...(options.partition !== undefined && { partitions: [partitionOf(options.partition)] }),
  };
  await withClient(options, io, async ({ admin }, { output }) => {
    const positions = (await positionsOf(admin, name)).filter(({ committed }) => committed !== undefined);
    const before = new Map(positions.map((at) => [`${at.topic}/${at.partition}`, at.committed]));
    const planned = await admin.seekGroup(name, to, { ...wanted, dryRun: true });
    if (before.size === 0 && options.quiet !== true)
      io.stderr.write(`group ${name} has committed nothing yet: this makes it, if it is not there\n`);
    if (!dryRun)
      await confirm(`move group ${name} on ${planned.length} partition${planned.length === 1 ? '' : 's'}`, options, io);
    const moved = dryRun ? planned : await admin.seekGroup(name, to, wanted);
    const rows = moved.map(({ topic, partition, offset }) => {
      const at = `${topic}/${partition}`;
      return { partition: at, committed: offsetOf(before.get(at)), new_committed: String(offset) };
    });
    await printRows(rows, 'partition', output, io);
    if (dryRun && options.quiet !== true) io.stderr.write('nothing was moved: --dry-run\n');
  });
}

/** Of a group that is not there: none; a seek may make one. */
async function positionsOf(admin: Moldau['admin'], name: string): Promise<readonly GroupPosition[]> {
  try {
    return await admin.groupLag(name);
  } catch (error) {
    if (hasReason(error, 'UNKNOWN_GROUP')) return [];
    throw error;
  }
}

function placeOf(text: string): GroupPlace {
  const shift = /^([+~])(\d+)$/.exec(text);
  if (shift === null) return parsePlace(text, Date.now(), ', or +N and ~N: so many records on, or back');
  return { shift: BigInt(`${shift[1] === '~' ? '-' : ''}${shift[2]}`) };
}

/** `moldau group delete` */
export async function remove(names: readonly string[], options: GlobalOptions & ConfirmOptions, io: Io): Promise<void> {
  const { dryRun = false } = options;
  const what = names.length === 1 ? `group ${names[0]}` : `${names.length} groups (${names.join(', ')})`;
  if (!dryRun) await confirm(`delete ${what} with all offsets`, options, io);
  await withClient(options, io, async ({ admin }) => {
    await eachName(names, async (name) => {
      await admin.deleteGroup(name, { dryRun });
      if (options.quiet !== true) io.stderr.write(`${dryRun ? 'would delete' : 'deleted'} ${name}\n`);
    });
  });
}
