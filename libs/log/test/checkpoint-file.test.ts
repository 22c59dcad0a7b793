import test from 'ava';
import { ByteWriter, seal } from '../src/binary.ts';
import { readCheckpoint } from '../src/checkpoint-file.ts';
import { GuardedFileSystem } from '../src/guarded-file-system.ts';
import { Bench, epoch } from './support/bench.ts';
import { commit, keyed } from './support/keyed.ts';

/** The file as version 1 wrote it: one partition, at rest. */
function versionOne(highWatermark: bigint, position: number): Uint8Array {
  const writer = new ByteWriter().i64(7n).i64(3n).text('boot-1').u32(1);
  writer.text('t0-0').i64(highWatermark).i64(0n).u32(position).f64(position);
  writer.i64(highWatermark).i64(0n).u32(1).i64(-1n).i64(-1n).u16(0);
  return seal('MLCP', 1, writer.finish());
}

test('a checkpoint of version 1 knows of no compaction: everything is new, and no tombstone is gone', async (t) => {
  const bench = new Bench();
  const log = await bench.log();
  log.lead(epoch(1));
  await commit(bench, log, keyed([['a', '1']]));
  const { sizeBytes } = log;
  await bench.close();
  const fs = bench.disk.mount();
  const file = await bench.run(fs.openAppend('/data/checkpoint'));
  await bench.run(file.truncate(0));
  await bench.run(file.append([versionOne(1n, sizeBytes)]));
  const guarded = new GuardedFileSystem(fs, () => {});
  const checkpoint = await bench.run(readCheckpoint(guarded, '/data/checkpoint'));
  t.like(checkpoint?.partitions.get('t0-0' as never), {
    highWatermark: 1n,
    tombstoneEnd: 0n,
    compactedEnd: 0n,
    supersededEnd: 0n,
    corrupt: false,
    truncateTo: undefined,
  });
  const reopened = await bench.reopen();
  t.is(reopened.found.state, 'clean');
  t.is(reopened.highWatermark, 1n as never);
});
