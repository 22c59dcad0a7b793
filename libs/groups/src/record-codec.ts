import { type LeaderEpoch, offset, type PartitionKey, partitionIndex, partitionKey, topicId } from '@moldau/kernel';
import { type AssignorName, assignorNames } from './assign/assignor.ts';
import { FieldReader, FieldWriter, UnreadableRecord } from './fields.ts';
import type { GroupHead, GroupRecord, Held, Holding, MemberProfile, StoredOffset } from './group-records.ts';
import { groupId, instanceId, memberId, partitionOf } from './ids.ts';

// A record of `__groups`. See fields.ts for how each field is written.
//
//   key    kind 0…4 · group text · head: nothing | profile, holding, target: member text | offset: topic id text · partition
//   value  version · what its kind has, below. A record without a value: the key is gone.
//
// The number of a kind, and the key of one, never change: compaction compares keys by their bytes. A change of what a value
// means has a new version.

const kinds = ['head', 'profile', 'holding', 'target', 'offset'] as const satisfies readonly GroupRecord['kind'][];
const version = 1;

/** A record as the log has it. */
export interface EncodedRecord {
  readonly key: Uint8Array;
  /** `null`: the key is gone. */
  readonly value: Uint8Array | null;
}

export const encodeRecord = (record: GroupRecord): EncodedRecord => ({
  key: encodeKey(record),
  value: record.value === undefined ? null : encodeValue(record),
});

function encodeKey(record: GroupRecord): Uint8Array {
  const key = new FieldWriter().number(kinds.indexOf(record.kind)).text(record.group);
  if (record.kind === 'head') return key.finish();
  if (record.kind === 'offset') return writePartition(key, record.partition).finish();
  return key.text(record.member).finish();
}

function encodeValue(record: GroupRecord): Uint8Array {
  const to = new FieldWriter().number(version);
  switch (record.kind) {
    case 'head':
      if (record.value !== undefined) writeHead(to, record.value);
      break;
    case 'profile':
      if (record.value !== undefined) writeProfile(to, record.value);
      break;
    case 'holding':
      if (record.value !== undefined) writeHolding(to, record.value);
      break;
    case 'target':
      to.list([...(record.value ?? [])], (partition) => writePartition(to, partition));
      break;
    case 'offset':
      if (record.value !== undefined) writeOffset(to, record.value);
      break;
  }
  return to.finish();
}

/** Throws {@link UnreadableRecord} on what is no record of this log, or a newer one. */
export function decodeRecord({ key, value }: EncodedRecord): GroupRecord {
  const names = new FieldReader(key);
  const kind = kinds[names.number()];
  if (kind === undefined) throw new UnreadableRecord('its kind is not known here: run a newer program');
  const group = groupId(names.text());
  const named =
    kind === 'head'
      ? { kind, group }
      : kind === 'offset'
        ? { kind, group, partition: readPartition(names) }
        : { kind, group, member: memberId(names.text()) };
  names.end();
  return value === null ? { ...named, value: undefined } : decodeValue(named, new FieldReader(value));
}

type Named = GroupRecord extends infer R ? (R extends GroupRecord ? Omit<R, 'value'> : never) : never;

function decodeValue(named: Named, from: FieldReader): GroupRecord {
  const found = from.number();
  if (found !== version) {
    throw new UnreadableRecord(`a ${named.kind} has version ${found}, and this program knows ${version}`);
  }
  const record = readValue(named, from);
  from.end();
  return record;
}

function readValue(named: Named, from: FieldReader): GroupRecord {
  switch (named.kind) {
    case 'head':
      return { ...named, value: readHead(from) };
    case 'profile':
      return { ...named, value: readProfile(from) };
    case 'holding':
      return { ...named, value: readHolding(from) };
    case 'target':
      return { ...named, value: new Set(from.list(() => readPartition(from))) };
    case 'offset':
      return { ...named, value: readOffset(from) };
  }
}

/** group epoch · assignment epoch · fingerprint of the topics · empty since? */
function writeHead(to: FieldWriter, { groupEpoch, assignmentEpoch, topics, emptySinceMs }: GroupHead): void {
  to.number(groupEpoch).number(assignmentEpoch).text(topics);
  to.optional(emptySinceMs, (at) => to.number(at));
}
const readHead = (from: FieldReader): GroupHead => ({
  groupEpoch: from.number(),
  assignmentEpoch: from.number(),
  topics: from.text(),
  emptySinceMs: from.optional(() => from.number()),
});

/** instance? · rack · rebalance timeout · topics · regex? · assignor? */
function writeProfile(to: FieldWriter, profile: MemberProfile): void {
  to.optional(profile.instance, (instance) => to.text(instance));
  to.text(profile.rack).number(profile.rebalanceTimeoutMs);
  to.list(profile.topics, (topic) => to.text(topic));
  to.optional(profile.regex, (regex) => to.text(regex));
  to.optional(profile.assignor, (assignor) => to.text(assignor));
}
const readProfile = (from: FieldReader): MemberProfile => ({
  instance: from.optional(() => instanceId(from.text())),
  rack: from.text(),
  rebalanceTimeoutMs: from.number(),
  topics: from.list(() => from.text()),
  regex: from.optional(() => from.text()),
  assignor: from.optional(() => readAssignor(from)),
});

function readAssignor(from: FieldReader): AssignorName {
  const text = from.text();
  const name = assignorNames.find((known) => known === text);
  if (name === undefined) throw new UnreadableRecord(`the assignor ${text} is not known here: run a newer program`);
  return name;
}

/** epoch · number · acknowledged · a list of: partition · assignment epoch · assignments since it was last sent */
function writeHolding(to: FieldWriter, { epoch, number, acked, held }: Holding): void {
  to.number(epoch).number(number).number(acked);
  to.list([...held], ([partition, { assignmentEpoch, sentIn }]) => {
    writePartition(to, partition)
      .number(assignmentEpoch)
      .number(number - sentIn);
  });
}
function readHolding(from: FieldReader): Holding {
  const [epoch, number, acked] = [from.number(), from.number(), from.number()];
  const held = from.list((): [PartitionKey, Held] => [
    readPartition(from),
    { assignmentEpoch: from.number(), sentIn: number - from.number() },
  ]);
  return { epoch, number, acked, held: new Map(held) };
}

/** offset · leader epoch? · committed at · metadata */
function writeOffset(to: FieldWriter, { offset: at, leaderEpoch, committedAtMs, metadata }: StoredOffset): void {
  to.i64(at).optional(leaderEpoch, (epoch) => to.number(epoch));
  to.number(committedAtMs).text(metadata);
}
function readOffset(from: FieldReader): StoredOffset {
  const at = from.i64();
  if (at < 0n) throw new UnreadableRecord('an offset is negative');
  return {
    offset: offset(at),
    leaderEpoch: from.optional(() => from.number() as LeaderEpoch),
    committedAtMs: from.number(),
    metadata: from.text(),
  };
}

/** topic id · partition */
function writePartition(to: FieldWriter, key: PartitionKey): FieldWriter {
  const { topic, partition } = partitionOf(key);
  return to.text(topic).number(partition);
}
const readPartition = (from: FieldReader): PartitionKey =>
  partitionKey(topicId(from.text()), partitionIndex(from.number()));
