import { leaderEpoch, offset } from '@moldau/kernel';
import test from 'ava';
import {
  decodeRecord,
  encodeRecord,
  type GroupRecord,
  groupId,
  instanceId,
  memberId,
  UnreadableRecord,
} from '../src/index.ts';
import { keyOf } from './support/model-shard.ts';

const group = groupId('g');
const member = memberId('m');
const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'));

const records: Record<GroupRecord['kind'], GroupRecord> = {
  head: { kind: 'head', group, value: { groupEpoch: 3, assignmentEpoch: 2, topics: 'ab', emptySinceMs: 1_000 } },
  profile: {
    kind: 'profile',
    group,
    member,
    value: {
      instance: instanceId('i'),
      rack: 'r',
      rebalanceTimeoutMs: 60_000,
      topics: ['a', 'b'],
      regex: 'x.*',
      assignor: 'range',
    },
  },
  holding: {
    kind: 'holding',
    group,
    member,
    value: {
      epoch: 3,
      number: 5,
      acked: 4,
      held: new Map([
        [keyOf('t', 0), { assignmentEpoch: 1, sentIn: 5 }],
        [keyOf('t', 1), { assignmentEpoch: 2, sentIn: 4 }],
      ]),
    },
  },
  target: { kind: 'target', group, member, value: new Set([keyOf('t', 0), keyOf('u-1', 300)]) },
  offset: {
    kind: 'offset',
    group,
    partition: keyOf('t', 7),
    value: { offset: offset(2n ** 40n), leaderEpoch: leaderEpoch(9), metadata: 'é', committedAtMs: 1_700_000_000_000 },
  },
};

// What is on disks. A change here is a new version of the value, and never of a key.
const golden: Record<GroupRecord['kind'], readonly [key: string, value: string]> = {
  head: ['000267', '02060404616202d00f'],
  profile: ['020267026d', '020202690272c0a90704026102620206782e2a020a72616e6765'],
  holding: ['040267026d', '02060a080402740002000274020402'],
  target: ['060267026d', '020402740006752d31d804'],
  offset: ['08026702740e', '020000010000000000021280a0abfef96204c3a9'],
};

for (const record of Object.values(records)) {
  test(`a ${record.kind} has these bytes, and is read as it was written`, (t) => {
    const encoded = encodeRecord(record);
    t.deepEqual([hex(encoded.key), hex(encoded.value)], [...golden[record.kind]]);
    t.deepEqual(decodeRecord(encoded), record);
    const gone = encodeRecord({ ...record, value: undefined });
    t.deepEqual([hex(gone.key), gone.value], [golden[record.kind][0], null]);
    t.deepEqual(decodeRecord(gone), { ...record, value: undefined });
  });

  test(`a ${record.kind} that is cut off, longer, or newer is unreadable`, (t) => {
    const { key, value } = encodeRecord(record);
    if (value === null) return t.fail();
    for (let length = 0; length < value.length; length += 1) {
      t.throws(() => decodeRecord({ key, value: value.subarray(0, length) }), { instanceOf: UnreadableRecord });
    }
    for (let length = 0; length < key.length; length += 1) {
      t.throws(() => decodeRecord({ key: key.subarray(0, length), value }), { instanceOf: UnreadableRecord });
    }
    t.throws(() => decodeRecord({ key, value: Uint8Array.of(...value, 0) }), { instanceOf: UnreadableRecord });
    t.throws(() => decodeRecord({ key, value: Uint8Array.of(4, ...value.subarray(1)) }), { message: /version 2/ });
    t.throws(() => decodeRecord({ key: Uint8Array.of(10, ...key.subarray(1)), value }), { message: /kind/ });
  });
}

test('what may be absent is', (t) => {
  const bare: GroupRecord[] = [
    { kind: 'head', group, value: { groupEpoch: 1, assignmentEpoch: 1, topics: '', emptySinceMs: undefined } },
    {
      kind: 'profile',
      group,
      member,
      value: {
        instance: undefined,
        rack: '',
        rebalanceTimeoutMs: 1,
        topics: [],
        regex: undefined,
        assignor: undefined,
      },
    },
    {
      kind: 'offset',
      group,
      partition: keyOf('t', 0),
      value: { offset: offset(0), leaderEpoch: undefined, metadata: '', committedAtMs: 0 },
    },
  ];
  for (const record of bare) t.deepEqual(decodeRecord(encodeRecord(record)), record);
});
