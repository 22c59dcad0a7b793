import { setTimeout as sleep } from 'node:timers/promises';
import { storeContract } from '@moldau/testing';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import test, { type ExecutionContext } from 'ava';
import { connect, startEtcd } from './stores.ts';

// One after the other: each has an etcd of its own.
const withEtcd = (await hasEtcd()) ? test.serial : test.serial.skip;

storeContract<ExecutionContext>(withEtcd, async (t) => {
  const etcd = await startEtcd(t);
  return { store: connect(t, { hosts: etcd.address }), advance: (ms) => sleep(ms), leaseTtlMs: 4_000 };
});
