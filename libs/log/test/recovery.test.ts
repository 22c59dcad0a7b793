import { FileError, hasReason, leaderEpoch, offset, StartError } from '@moldau/kernel';
import test, { type ExecutionContext } from 'ava';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, identity, offsetsOf } from './support/bench.ts';

const partition = '/data/partitions/t0-0';
const batchBytes = 100;
const segmentPath = (base: number): string => `${partition}/${String(base).padStart(20, '0')}.log`;

/** A log of ten batches of 100 bytes, at rest, with or without an order close. */
async function tenBatches(how: 'close' | 'kill', segmentBytes = 1 << 20): Promise<Bench> {
  const bench = new Bench(1, { tailCacheBytes: 1 });
  bench.config = { ...bench.config, segmentBytes };
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 10; i += 1) log.append(testBatch({ payloadBytes: batchBytes - 61, fill: i }));
  await bench.settle(log);
  if (how === 'close') await bench.close();
  else bench.disk.kill();
  return bench;
}

test('a torn tail above the synced end is cut', async (t) => {
  const bench = await tenBatches('kill');
  bench.disk.cut(segmentPath(0), 10 * batchBytes - 1);
  const log = await bench.reopen();
  t.is(
    log.found.state,
    'clean',
    'the same boot: only the tail is gone, and it was never synced as far as anyone knows',
  );
  t.is(log.logEnd, offset(9));
  log.lead(epoch(2));
  t.like(log.append(testBatch()), { baseOffset: 9n });
  await bench.settle(log);
  t.deepEqual(offsetsOf(await bench.read(log, 8)), [8, 9]);
});

test('a bad batch with a good one behind it is doubtful: copied aside, cut, and said', async (t) => {
  const bench = await tenBatches('kill');
  bench.disk.flipBit(segmentPath(0), (4 * batchBytes + 80) * 8);
  const log = await bench.reopen();
  t.like(log.found, { state: 'doubtful', durableEnd: offset(4), lastEpoch: leaderEpoch(1) });
  t.is(log.logEnd, offset(4));
  t.true(bench.disk.filesBelow(partition).some((path) => path.endsWith('.doubtful')));
});

test('a stop with another boot is unclean', async (t) => {
  const bench = await tenBatches('kill');
  const log = await bench.reopen({ bootId: 'boot-2' });
  t.is(log.found.state, 'unclean');
  t.is(log.logEnd, offset(10));
});

test('an unclean stop is remembered by every start, until somebody vouches for the copy', async (t) => {
  const bench = await tenBatches('kill');
  t.is((await bench.reopen({ bootId: 'boot-2' })).found.state, 'unclean');
  bench.disk.kill();
  t.is((await bench.reopen({ bootId: 'boot-2' })).found.state, 'unclean', 'after a mere kill');
  await bench.close();
  const log = await bench.reopen({ bootId: 'boot-2' });
  t.is(log.found.state, 'unclean', 'after a stop in order');
  log.vouch();
  await bench.time.runFor(2_000);
  bench.disk.kill();
  t.is((await bench.reopen({ bootId: 'boot-2' })).found.state, 'clean');
});

const damages: [name: string, damage: (bench: Bench) => void][] = [
  ['a log that is shorter than its synced end', (bench) => bench.disk.cut(segmentPath(5), 3 * batchBytes)],
  ['a missing segment', (bench) => bench.disk.remove(segmentPath(0))],
  ['a missing last segment', (bench) => bench.disk.remove(segmentPath(5))],
  ['a missing partition.json', (bench) => bench.disk.remove(`${partition}/partition.json`)],
  ['a missing directory', (bench) => bench.disk.remove(partition)],
  ['a missing checkpoint', (bench) => bench.disk.remove('/data/checkpoint')],
  ['a damaged checkpoint', (bench) => bench.disk.flipBit('/data/checkpoint', 333)],
];

for (const [name, damage] of damages) {
  test(`${name} makes the log corrupt, for good, and nothing is cut`, async (t) => {
    const bench = await tenBatches('close', 5 * batchBytes);
    damage(bench);
    const before = bench.disk.filesBelow('/data').filter((path) => path.endsWith('.log'));
    for (let i = 0; i < 2; i += 1) {
      const log = await bench.reopen({ bootId: `boot-${i}` });
      t.is(log.found.state, 'corrupt');
      t.truthy(log.found.problem);
      await bench.close();
    }
    t.deepEqual(
      bench.disk.filesBelow('/data').filter((path) => path.endsWith('.log')),
      before,
    );
  });
}

test('a corrupt log goes on behind its synced end, and says what is missing', async (t) => {
  const bench = await tenBatches('close', 5 * batchBytes);
  bench.disk.cut(segmentPath(5), 3 * batchBytes + 10);
  const log = await bench.reopen();
  t.is(log.logEnd, offset(10));
  t.deepEqual(offsetsOf(await bench.read(log, 6)), [6, 7]);
  const error = await t.throwsAsync(bench.read(log, 8));
  t.true(hasReason(error, 'CORRUPT_DATA'));
  log.lead(epoch(2));
  t.like(log.append(testBatch()), { baseOffset: 10n });
  await bench.settle(log);
  t.deepEqual(offsetsOf(await bench.read(log, 10)), [10]);
});

async function damagedRange(t: ExecutionContext, bench: Bench, at: number): Promise<unknown> {
  const log = await bench.log();
  const ranges: unknown[] = [];
  log.onDamage((range) => ranges.push(range));
  const error = await t.throwsAsync(bench.read(log, at));
  t.true(hasReason(error, 'CORRUPT_DATA'), String(error));
  return ranges[0];
}

for (const [what, bit] of [
  ['payload', 80 * 8],
  ['length', 10 * 8 + 2],
  ['base offset', 7 * 8 + 1],
  ['leader epoch', 15 * 8 + 3],
] as const) {
  test(`a flipped bit in a ${what} damages that batch alone`, async (t) => {
    const bench = await tenBatches('close');
    bench.disk.flipBit(segmentPath(0), 4 * batchBytes * 8 + bit);
    await bench.reopen();
    const log = await bench.log();
    t.deepEqual(offsetsOf(await bench.read(log, 2)), [2, 3]);
    t.deepEqual(await damagedRange(t, bench, 4), { from: offset(4), to: offset(5) });
    t.deepEqual(offsetsOf(await bench.read(log, 5)), [5, 6, 7, 8, 9]);
  });
}

for (const name of ['index', 'producers', 'leader-epochs']) {
  test(`a damaged or missing ${name} file is rebuilt`, async (t) => {
    for (const harm of ['flip', 'remove'] as const) {
      const bench = await tenBatches('close', 5 * batchBytes);
      const paths = bench.disk.filesBelow(partition).filter((path) => path.endsWith(name));
      t.true(paths.length > 0);
      for (const path of paths) {
        if (harm === 'flip') bench.disk.flipBit(path, 200);
        else bench.disk.remove(path);
      }
      const log = await bench.reopen();
      t.like(log.found, { state: 'clean', durableEnd: offset(10), lastEpoch: leaderEpoch(1) });
      t.deepEqual(offsetsOf(await bench.read(log, 7)), [7, 8, 9]);
      t.deepEqual(log.epochEnd(leaderEpoch(1)), { epoch: leaderEpoch(1), end: offset(10) });
    }
  });
}

test('a directory that had an EIO is not clean by its boot id', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  log.append(testBatch());
  await bench.settle(log);
  bench.disk.fail('sync', 'EIO');
  log.append(testBatch());
  await bench.time.runUntil(() => bench.directory?.failure !== undefined);
  await bench.time.runFor(100);
  bench.disk.kill();
  t.is((await bench.reopen()).found.state, 'unclean');
});

test('start errors say what to do', async (t) => {
  const bench = await tenBatches('close');
  const refused = async (options: Parameters<Bench['open']>[0], words: RegExp): Promise<void> => {
    const error = await t.throwsAsync(bench.open(options), { instanceOf: StartError });
    t.regex(error?.message ?? '', words);
  };
  await refused({ clusterId: 'c2' }, /belongs to cluster c1/);
  await refused({ nodeId: 2 as never }, /belongs to node 1/);
  await bench.open();
  await refused({}, /in use by another process/);
  await bench.close();
  bench.disk.remove('/data/node.json');
  await refused({}, /node\.json/);
});

test('a partition that was removed stays removed, and can be made anew', async (t) => {
  const bench = await tenBatches('close');
  const directory = await bench.open();
  const [key] = directory.partitions.keys();
  if (key === undefined) return t.fail('there is a partition');
  await bench.run(directory.remove(key));
  t.is(directory.partitions.size, 0);
  const log = await bench.run(directory.create(identity, bench.config));
  t.is(log.logEnd, offset(0));
  bench.disk.crash();
  const reopened = await bench.reopen({ bootId: 'boot-2' });
  t.is(reopened.logEnd, offset(0));
  t.not(reopened.found.state, 'corrupt');
});

test('a removal that was cut short is finished', async (t) => {
  const bench = await tenBatches('close');
  const directory = await bench.open();
  const [key] = directory.partitions.keys();
  if (key === undefined) return t.fail('there is a partition');
  bench.disk.fail('append', 'EIO', 1, 'checkpoint');
  await t.throwsAsync(bench.run(directory.remove(key)), { instanceOf: FileError });
  bench.disk.kill();
  t.is((await bench.open()).partitions.size, 0);
  t.deepEqual(bench.disk.filesBelow('/data/partitions'), []);
});

test('stored epochs and the assigned revision survive', async (t) => {
  const bench = await tenBatches('close');
  const directory = await bench.open();
  const [key] = directory.partitions.keys();
  if (key === undefined) return t.fail('there is a partition');
  await bench.run(Promise.all([directory.storeEpoch(key, leaderEpoch(9)), directory.noteAssigned(77n as never)]));
  bench.disk.crash();
  const log = await bench.reopen();
  t.is(log.storedEpoch, leaderEpoch(9));
  t.is(bench.directory?.assignedUpTo, 77n as never);
});
