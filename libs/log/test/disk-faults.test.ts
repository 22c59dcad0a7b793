import { type FileError, hasReason, offset } from '@moldau/kernel';
import test from 'ava';
import type { PartitionLog } from '../src/index.ts';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, identity, offsetsOf } from './support/bench.ts';

interface Failure {
  readonly from: bigint;
  readonly error: FileError;
}

function watch(log: PartitionLog): { durable: bigint[]; failures: Failure[] } {
  const seen = { durable: [] as bigint[], failures: [] as Failure[] };
  log.onDurable((end) => seen.durable.push(end));
  log.onWriteFailed((from, error) => seen.failures.push({ from, error }));
  return seen;
}

test('a full disk undoes the write, says so, and works again under a new epoch', async (t) => {
  const bench = new Bench(1, { minFreeBytes: 0 }, { capacityBytes: 20_000 });
  const log = await bench.log();
  const seen = watch(log);
  log.lead(epoch(1));
  log.append(testBatch({ payloadBytes: 1000 }));
  await bench.settle(log);
  log.append(testBatch({ payloadBytes: 1000, producerId: 4n, producerEpoch: 0, sequence: 0 }));
  log.append(testBatch({ payloadBytes: 30_000 }));
  log.append(testBatch({ payloadBytes: 10 }));
  await bench.time.runUntil(() => seen.failures.length > 0);
  t.is(seen.failures[0]?.error.code, 'ENOSPC');
  const from = seen.failures[0]?.from ?? 0n;
  t.is(log.logEnd, offset(from));
  t.is(bench.directory?.failure, undefined, 'a full disk is no failure');
  t.is(bench.directory?.diskState, 'full');
  t.true(
    hasReason(
      t.throws(() => bench.directory?.requireSpace()),
      'DISK_FULL',
    ),
  );
  t.true(
    hasReason(
      t.throws(() => log.append(testBatch())),
      'NOT_SERVING',
    ),
  );
  bench.disk.capacityBytes = 200_000;
  await bench.time.runFor(5000);
  t.is(bench.directory?.diskState, 'ok');
  log.lead(epoch(2));
  const again = log.append(testBatch({ payloadBytes: 1000, producerId: 4n, producerEpoch: 0, sequence: 0 }));
  t.is(again.kind, from === 1n ? 'appended' : 'duplicate', 'the producer is known exactly if its batch is there');
  await bench.settle(log);
  bench.disk.crash();
  const reopened = await bench.reopen();
  t.is(reopened.logEnd, offset(2));
});

test('the first failed sync is final: nothing is acknowledged afterwards, from any partition', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  const other = await bench.run(
    bench.directory?.create({ ...identity, partition: 1 as never }, bench.config) ?? (t.fail() as never),
  );
  const [seen, seenOther] = [watch(log), watch(other)];
  log.lead(epoch(1));
  other.lead(epoch(1));
  bench.disk.fail('sync', 'EIO', 1, 't0-0');
  log.append(testBatch());
  await bench.time.runUntil(() => bench.directory?.failure !== undefined);
  t.true(
    hasReason(
      t.throws(() => other.append(testBatch())),
      'NOT_SERVING',
    ),
  );
  await bench.time.runFor(1000);
  t.deepEqual(seen.durable, []);
  t.deepEqual(seenOther.durable, []);
  t.is(seen.failures[0]?.error.code, 'EIO');
  let told: FileError | undefined;
  bench.directory?.onFailure((error) => (told = error));
  t.is(told, bench.directory?.failure, 'who asks later is told at once');
  await bench.close();
});

test('a stuck sync delays acknowledgements, not appends', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  const seen = watch(log);
  log.lead(epoch(1));
  bench.disk.holdSyncs();
  log.append(testBatch());
  await bench.time.runFor(50);
  log.append(testBatch());
  await bench.time.runUntil(() => log.writtenEnd === 2n);
  t.deepEqual(seen.durable, []);
  t.deepEqual(offsetsOf(await bench.read(log, 0)), [0, 1], 'followers are fed from what is written');
  bench.disk.releaseSyncs();
  await bench.settle(log);
});

test('what is appended during a round is synced by one more round', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  bench.disk.holdSyncs();
  for (let i = 0; i < 40; i += 1) {
    log.append(testBatch());
    await bench.time.runFor(1);
  }
  const durable: bigint[] = [];
  log.onDurable((end) => durable.push(end));
  bench.disk.releaseSyncs();
  await bench.settle(log);
  t.deepEqual(durable.slice(-1), [40n]);
  t.is(durable.length, 2);
});

test('interval flush acknowledges from the page cache, and survives a kill', async (t) => {
  const bench = new Bench();
  bench.config = { ...bench.config, flush: 'interval', flushIntervalMs: 500 };
  let log = await bench.log();
  log.lead(epoch(1));
  bench.disk.holdSyncs();
  log.append(testBatch());
  await bench.settle(log);
  bench.disk.kill();
  log = await bench.reopen();
  t.like(log.found, { state: 'clean', durableEnd: offset(1) });
  log.lead(epoch(2));
  log.append(testBatch());
  await bench.settle(log);
  bench.disk.crash();
  log = await bench.reopen({ bootId: 'boot-2' });
  t.is(log.found.state, 'unclean', 'after power loss it is said that something may be missing');
});

test('a write queue that is full refuses, and nothing is taken', async (t) => {
  const bench = new Bench();
  bench.config = { ...bench.config, maxBatchBytes: 1 << 25 };
  const log = await bench.log();
  log.lead(epoch(1));
  const big = (): Uint8Array => testBatch({ payloadBytes: 30 << 20 });
  let taken = 0;
  const error = t.throws(() => {
    for (;;) {
      log.append(big());
      taken += 1;
    }
  });
  t.true(hasReason(error, 'OVERLOADED'));
  t.true(taken >= 2 && taken <= 3);
  t.is(log.logEnd, offset(taken));
  await bench.settle(log);
  t.is(log.durableEnd, offset(taken));
});

test('a read that the disk refuses is told as a failure of the storage, and the next one may succeed', async (t) => {
  const bench = new Bench(1, { tailCacheBytes: 1 });
  const log = await bench.log();
  log.lead(epoch(1));
  log.append(testBatch({ records: 3 }));
  await bench.settle(log);
  bench.disk.fail('read', 'EIO', 1, '.log');
  t.true(hasReason(await t.throwsAsync(bench.read(log, 0)), 'STORAGE_FAILED'));
  t.deepEqual(offsetsOf(await bench.read(log, 0)), [0]);
});
