import { offset } from '@moldau/kernel';
import { BatchHeader, compressions } from '@moldau/records';
import test from 'ava';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, headersOf, offsetsOf } from './support/bench.ts';
import { allHeaders, commit, compact, compactedLog, hourMs, keyed, readAll, recordsOf, roll } from './support/keyed.ts';

const partition = '/data/partitions/t0-0';

const logFiles = (bench: Bench): string[] =>
  bench.disk.filesBelow(partition).filter((path) => !path.endsWith('.index') && !path.endsWith('.producers'));

for (const compression of compressions) {
  test(`of each key the last record stays, where it was: ${compression}`, async (t) => {
    const { bench, log } = await compactedLog();
    await commit(
      bench,
      log,
      keyed(
        [
          ['a', '1'],
          ['b', '1'],
          ['a', '2'],
        ],
        { compression },
      ),
      keyed(
        [
          ['c', '1'],
          ['b', '2'],
        ],
        { compression },
      ),
      keyed([['a', '3']], { compression }),
    );
    await roll(bench, log);
    const sizes = (await allHeaders(bench, log)).map(({ sizeBytes }) => sizeBytes);
    await bench.run(compact(bench, log));
    t.deepEqual(await readAll(bench, log), [
      [3, 'c', '1'],
      [4, 'b', '2'],
      [5, 'a', '3'],
      [6, 'roll', '6'],
    ]);
    const headers = await allHeaders(bench, log);
    t.deepEqual(
      headers.map((header) => [header.baseOffset, header.lastOffset, header.recordsCount, header.compressionCode]),
      [
        [0n, 2n, 0, 0],
        [3n, 4n, 2, compressions.indexOf(compression)],
        [5n, 5n, 1, compressions.indexOf(compression)],
        [6n, 6n, 1, 0],
      ],
    );
    t.deepEqual(
      headers.slice(1).map(({ sizeBytes }) => sizeBytes),
      sizes.slice(1),
      'what stays as a whole is not touched',
    );
  });

  test(`a batch of which a part stays keeps its range, its epoch, and what its records are: ${compression}`, async (t) => {
    const { bench, log } = await compactedLog();
    const producer = { id: 7n, epoch: 3, baseSequence: 0 };
    await commit(
      bench,
      log,
      keyed(
        [
          ['x', 'first'],
          ['a', '1'],
          ['y', 'last'],
          ['b', '1'],
        ],
        { compression, producer, timestampMs: 5_000 },
      ),
      keyed(
        [
          ['a', '2'],
          ['b', '2'],
        ],
        { compression },
      ),
    );
    await roll(bench, log);
    await bench.run(compact(bench, log));
    const slice = await bench.read(log, 0);
    const [header] = headersOf(slice);
    t.like(header, { baseOffset: 0n, lastOffset: 3n, recordsCount: 2, leaderEpoch: 1, maxTimestamp: 5_000 });
    t.like(header, {
      producerId: 7n,
      producerEpoch: 3,
      baseSequence: 0,
      compressionCode: compressions.indexOf(compression),
    });
    t.deepEqual(recordsOf(slice).slice(0, 2), [
      [0, 'x', 'first'],
      [2, 'y', 'last'],
    ]);
    t.deepEqual(await bench.run(log.offsetForTimestamp(4_000)), { offset: offset(0), timestampMs: 5_000 });
  });
}

test('neighbours that are gone leave one empty batch, as long as their leader epoch is the same', async (t) => {
  const { bench, log } = await compactedLog();
  for (let i = 0; i < 5; i += 1) await commit(bench, log, keyed([['a', `${i}`]]));
  log.lead(epoch(2));
  for (let i = 5; i < 10; i += 1) await commit(bench, log, keyed([['a', `${i}`]]));
  await roll(bench, log);
  await bench.run(compact(bench, log));
  const headers = await allHeaders(bench, log);
  t.deepEqual(
    headers.map(({ baseOffset, lastOffset, leaderEpoch }) => [baseOffset, lastOffset, leaderEpoch]),
    [
      [0n, 4n, 1],
      [5n, 8n, 2],
      [9n, 9n, 2],
      [10n, 10n, 2],
    ],
  );
  const again = await bench.read(log, 3);
  t.deepEqual(offsetsOf(again), [3, 5, 9], 'who asks from within it gets the rest of it');
  t.is(again.nextOffset, offset(10));
});

test('what lies in the active segment, or at the high watermark or above, is not touched', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(bench, log, keyed([['a', '1']]), keyed([['a', '2']]));
  await bench.run(compact(bench, log));
  t.is((await readAll(bench, log)).length, 2, 'the active segment');
  log.configure({ ...bench.config, segmentBytes: 1 });
  log.append(keyed([['a', '3']]));
  log.append(keyed([['a', '4']]));
  log.append(keyed([['a', '5']]));
  await bench.settle(log);
  await bench.run(compact(bench, log));
  t.deepEqual(await readAll(bench, log), [
    [1, 'a', '2'],
    [2, 'a', '3'],
    [3, 'a', '4'],
    [4, 'a', '5'],
  ]);
  log.advanceHighWatermark(offset(4));
  await bench.run(compact(bench, log));
  t.deepEqual(await readAll(bench, log), [
    [3, 'a', '4'],
    [4, 'a', '5'],
  ]);
});

test('records without a key are dropped and counted; what is no record at all stays', async (t) => {
  const { bench, log } = await compactedLog();
  const control = testBatch({ attributes: 0x20, payloadBytes: 8 });
  await commit(
    bench,
    log,
    keyed([
      [null, '1'],
      ['a', '1'],
      [null, '2'],
    ]),
    testBatch(),
    keyed([['a', '2']]),
  );
  log.stopLeading();
  new DataView(control.buffer).setBigInt64(0, 5n);
  new DataView(control.buffer).setInt32(12, 2);
  t.is(
    log.appendReplica({
      from: offset(5),
      previousEpoch: epoch(1),
      epochs: [{ epoch: epoch(2), start: offset(5) }],
      bytes: control,
      leaderEpoch: epoch(2),
      leaderLogStart: offset(0),
    }),
    undefined,
  );
  await bench.settle(log);
  log.lead(epoch(3));
  await roll(bench, log);
  const tally = await bench.run(compact(bench, log));
  t.like(tally, { unkeyedRecords: 2, unreadableBatches: 1 });
  const headers = await allHeaders(bench, log);
  t.deepEqual(
    headers.map(({ baseOffset, recordsCount, isControl }) => [baseOffset, recordsCount, isControl]),
    [
      [0n, 0, false],
      [3n, 1, false],
      [4n, 1, false],
      [5n, 1, true],
      [6n, 1, false],
    ],
  );
});

test('of a producer that is still known the last five batches keep their headers, and a recovery finds them', async (t) => {
  const { bench, log } = await compactedLog();
  const batchOf = (i: number): Uint8Array =>
    keyed(
      [
        ['a', `${i}`],
        ['b', `${i}`],
      ],
      { producer: { id: 9n, epoch: 0, baseSequence: i * 2 } },
    );
  for (let i = 0; i < 8; i += 1) await commit(bench, log, batchOf(i));
  await commit(
    bench,
    log,
    keyed([
      ['a', 'z'],
      ['b', 'z'],
    ]),
  );
  await roll(bench, log);
  await bench.run(compact(bench, log));
  const headers = await allHeaders(bench, log);
  t.deepEqual(
    headers.map(({ baseOffset, recordsCount, producerId }) => [baseOffset, recordsCount, producerId]),
    [
      [0n, 0, -1n],
      [6n, 0, 9n],
      [8n, 0, 9n],
      [10n, 0, 9n],
      [12n, 0, 9n],
      [14n, 0, 9n],
      [16n, 2, -1n],
      [18n, 1, -1n],
    ],
  );
  await bench.close();
  for (const path of bench.disk.filesBelow(partition)) if (path.endsWith('.producers')) bench.disk.remove(path);
  const reopened = await bench.reopen();
  reopened.lead(epoch(2));
  for (let i = 3; i < 8; i += 1) {
    t.like(reopened.append(batchOf(i)), { kind: 'duplicate', baseOffset: BigInt(i * 2) }, `batch ${i}`);
  }
  t.like(reopened.append(batchOf(8)), { kind: 'appended' });
});

test('a producer that was forgotten leaves nothing', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(bench, log, keyed([['a', '1']], { producer: { id: 9n, epoch: 0, baseSequence: 0 } }));
  await commit(bench, log, keyed([['a', '2']]));
  await roll(bench, log);
  await bench.run(log.applyRetention(bench.time.wallMs() + 25 * hourMs));
  await bench.run(compact(bench, log));
  t.deepEqual(
    (await allHeaders(bench, log)).map(({ producerId }) => producerId),
    [-1n, -1n, -1n],
  );
});

test('small segments become one, their files go, and a start finds the log as it was', async (t) => {
  const { bench, log } = await compactedLog(200);
  for (let i = 0; i < 30; i += 1) await commit(bench, log, keyed([[`k${i % 3}`, `${i}`]]));
  await roll(bench, log);
  const before = logFiles(bench).length;
  const tally = await bench.run(compact(bench, log));
  t.true(tally.removedBytes > 0);
  const records = await readAll(bench, log);
  t.deepEqual(
    records.map(([at]) => at),
    [27, 28, 29, 30],
  );
  t.true(logFiles(bench).length < before - 10);
  await bench.close();
  const again = await bench.reopen();
  t.is(again.found.state, 'clean');
  t.deepEqual(await readAll(bench, again), records);
  t.false(again.isCompactionDue(bench.time.wallMs()), 'a start knows what was compacted');
});

test('more keys than the memory takes: several passes, and the same outcome', async (t) => {
  const { bench, log } = await compactedLog(1_000);
  for (let i = 0; i < 60; i += 1)
    await commit(
      bench,
      log,
      keyed([
        [`key-${i % 20}`, `${i}`],
        [`key-${(i * 7) % 20}`, 'x'],
      ]),
    );
  await roll(bench, log);
  const newest = new Map<string | null, number>();
  for (const [at, key] of await readAll(bench, log)) newest.set(key, at);
  await bench.run(compact(bench, log, { keyMemoryBytes: 64 * 6 }));
  t.deepEqual(
    (await readAll(bench, log)).map(([at]) => at),
    [...newest.values()].sort((a, b) => a - b),
  );
});

test('a key that no memory takes is kept with all its records, tombstones among them', async (t) => {
  const { bench, log } = await compactedLog();
  const long = 'l'.repeat(200);
  await commit(
    bench,
    log,
    keyed([
      [long, '1'],
      ['a', '1'],
    ]),
    keyed([
      [long, '2'],
      ['a', '2'],
      [long, null],
    ]),
  );
  await roll(bench, log);
  const limits = { keyMemoryBytes: 64 * 3 };
  await bench.run(compact(bench, log, limits));
  await bench.run(compact(bench, log, { ...limits, nowMs: bench.time.wallMs() + 99 * hourMs }));
  t.deepEqual(
    (await readAll(bench, log)).map(([at]) => at),
    [0, 2, 3, 4, 5],
  );
});

test('a log is compacted when half of it is new, and not before', async (t) => {
  const { bench, log } = await compactedLog(400);
  const nowMs = bench.time.wallMs();
  for (let i = 0; i < 20; i += 1) await commit(bench, log, keyed([[`k${i}`, 'x'.repeat(50)]]));
  await roll(bench, log);
  t.true(log.isCompactionDue(nowMs));
  await bench.run(compact(bench, log));
  t.false(log.isCompactionDue(nowMs));
  for (let i = 0; i < 6; i += 1) await commit(bench, log, keyed([[`k${i}`, 'x'.repeat(50)]]));
  await roll(bench, log);
  t.false(log.isCompactionDue(nowMs));
  for (let i = 0; i < 30; i += 1) await commit(bench, log, keyed([[`k${i}`, 'x'.repeat(50)]]));
  await roll(bench, log);
  t.true(log.isCompactionDue(nowMs));
});

test('with compact and delete, both: old segments go as a whole', async (t) => {
  const { bench, log } = await compactedLog(300);
  bench.config = { ...bench.config, retentionMs: 5_000 };
  log.configure(bench.config);
  const startMs = bench.time.wallMs();
  for (let i = 0; i < 20; i += 1)
    await commit(bench, log, keyed([[`k${i % 4}`, `${i}`]], { timestampMs: startMs + i * 1_000 }));
  await roll(bench, log);
  await bench.run(compact(bench, log));
  await bench.run(log.applyRetention(startMs + 22_500));
  t.true(log.logStart > 0n);
  const records = await readAll(bench, log);
  t.true(records.every(([at]) => at >= 17 - 4));
  await bench.close();
  t.deepEqual(await readAll(bench, await bench.reopen()), records);
});

test('whoever reads while segments are swapped gets what is there, whatever file stands at a path', async (t) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const { bench, log } = await compactedLog(20_000, seed);
    const value = 'x'.repeat(300);
    for (let i = 0; i < 150; i += 1) await commit(bench, log, keyed([[`k${(i * 7) % 20}`, `${i} ${value}`]]));
    await roll(bench, log);
    const damaged: bigint[] = [];
    log.onDamage(({ from }) => damaged.push(from));
    let isDone = false;
    const compacting = compact(bench, log).then(() => (isDone = true));
    const reading: Promise<unknown>[] = [];
    while (!isDone) {
      const from = offset(bench.random.below(bench.random.chance(0.5) ? 40 : 150));
      const read = log.read(from, { maxBytes: 3_000, below: log.logEnd }).then((slice) => {
        for (const [at, , text] of recordsOf(slice))
          if (at < 150 && !text?.startsWith(`${at} `)) throw new Error(`${at}`);
        if (slice.nextOffset <= from) throw new Error(`nothing was read from ${from}`);
      });
      reading.push(
        read,
        log.offsetForTimestamp(1_000).then((found) => t.truthy(found)),
      );
      await bench.time.runFor(0.05);
    }
    await bench.run(Promise.all([compacting, ...reading]));
    t.deepEqual(damaged, [], `seed ${seed}`);
  }
});

test('a damaged segment is told, and not compacted', async (t) => {
  const { bench, log } = await compactedLog(300);
  for (let i = 0; i < 20; i += 1) await commit(bench, log, keyed([['a', `${i}`]]));
  await roll(bench, log);
  const files = logFiles(bench);
  bench.disk.flipBit(`${partition}/${'0'.repeat(20)}.log`, 8 * 70);
  let damagedFrom: bigint | undefined;
  log.onDamage(({ from }) => (damagedFrom = from));
  await t.throwsAsync(bench.run(compact(bench, log)), { name: 'CompactionAbandoned' });
  t.is(damagedFrom, 0n);
  t.deepEqual(logFiles(bench), files);
});

test('a directory compacts by itself, one log after the other, and stops at once', async (t) => {
  const bench = new Bench(1, { tailCacheBytes: 1, retentionEveryMs: 1_000 });
  bench.config = { ...bench.config, segmentBytes: 300, compaction: { deleteRetentionMs: 0 } };
  const log = await bench.log();
  log.lead(epoch(1));
  for (let i = 0; i < 40; i += 1) await commit(bench, log, keyed([['a', `${i}`]]));
  await roll(bench, log);
  const before = log.sizeBytes;
  await bench.time.runUntil(() => log.sizeBytes < before / 2);
  await bench.time.runFor(2_000);
  t.deepEqual(await readAll(bench, log), [
    [39, 'a', '39'],
    [40, 'roll', '40'],
  ]);
  for (let i = 0; i < 40; i += 1) await commit(bench, log, keyed([['a', `${i}`]]));
  await roll(bench, log);
  await bench.time.runFor(1_000.1);
  await bench.close();
  t.false(bench.disk.filesBelow('/data').some((path) => path.endsWith('.tmp') || path.endsWith('.swap')));
});

test('the header of a batch that was emptied is one that Kafka knows, and its checksum is right', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(
    bench,
    log,
    keyed([['a', '1']], { compression: 'zstd', producer: { id: 9n, epoch: 0, baseSequence: 0 } }),
  );
  await commit(bench, log, keyed([['a', '2']]));
  await roll(bench, log);
  await bench.run(compact(bench, log));
  const [chunk] = (await bench.read(log, 0)).chunks;
  const header = new BatchHeader(chunk ?? new Uint8Array());
  t.like(header, { sizeBytes: 61, recordsCount: 0, lastOffsetDelta: 0, attributes: 0, producerId: 9n });
});
