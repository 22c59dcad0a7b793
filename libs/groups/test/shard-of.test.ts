import { groupId } from '@moldau/groups';
import test from 'ava';
import { shardOf } from '../src/index.ts';

test('the shard of a group never changes: these are where they have always been', (t) => {
  const found = ['g', 'orders', 'payments-eu', 'größe', ''].map((name) => shardOf(groupId(name), 16));
  t.deepEqual(found, golden);
});

const golden = [15, 12, 4, 4, 9];
