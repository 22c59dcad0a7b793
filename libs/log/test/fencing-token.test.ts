import { hasReason, offset } from '@moldau/kernel';
import { fencingTokenBatch } from '@moldau/records';
import test from 'ava';
import type { PartitionLog } from '../src/index.ts';
import { testBatch } from './support/batches.ts';
import { Bench, epoch, headersOf } from './support/bench.ts';
import { copyAll } from './support/copies.ts';

const fine = (): void => {};
const epochFile = '/data/partitions/t0-0/leader-epochs';

async function leading(seed = 1, config: Partial<Bench['config']> = {}): Promise<[Bench, PartitionLog]> {
  const bench = new Bench(seed);
  bench.config = { ...bench.config, ...config };
  const log = await bench.log();
  log.lead(epoch(1));
  return [bench, log];
}

/** Appends one record under a token; says what came of it. */
function attempt(log: PartitionLog, fencingToken?: bigint): string {
  try {
    const result = log.append(testBatch(), { fencingToken });
    return result.kind === 'appended' ? `at ${result.baseOffset}${result.raised ? ', raised' : ''}` : result.kind;
  } catch (error) {
    if (!hasReason(error, 'FENCED_TOKEN')) throw error;
    return `fenced: ${error.fields.token} < ${error.fields.current_token}, ${error.outcome}`;
  }
}

/** Whether an append was taken: none is while the log is being cut. */
function isTaken(log: PartitionLog, fencingToken: bigint): boolean {
  try {
    attempt(log, fencingToken);
    return true;
  } catch (error) {
    if (!hasReason(error, 'NOT_SERVING')) throw error;
    return false;
  }
}

async function commitAll(bench: Bench, log: PartitionLog): Promise<void> {
  await bench.settle(log);
  log.advanceHighWatermark(log.durableEnd);
}

test('a higher token is raised by a control record, a lower one or none is refused, an equal one writes on', async (t) => {
  const [bench, log] = await leading();
  t.is(attempt(log), 'at 0');
  t.is(attempt(log, 5n), 'at 2, raised');
  t.deepEqual(log.fencingToken, { token: 5n, at: offset(1) });
  t.is(attempt(log), 'fenced: undefined < 5, NOT_WRITTEN');
  t.is(attempt(log, 4n), 'fenced: 4 < 5, NOT_WRITTEN');
  t.is(attempt(log, 5n), 'at 3');
  t.is(attempt(log, 6n), 'at 5, raised');
  t.is(attempt(log, 5n), 'fenced: 5 < 6, NOT_WRITTEN');
  await bench.settle(log);
  t.deepEqual(
    headersOf(await bench.read(log, 0)).map(({ isControl }) => isControl),
    [false, true, false, false, true, false],
  );
});

test('zero is a token, and above none', async (t) => {
  const [, log] = await leading();
  t.is(attempt(log, 0n), 'at 1, raised');
  t.is(attempt(log), 'fenced: undefined < 0, NOT_WRITTEN');
});

test('a token is raised without a batch, and said again as often as it is asked for', async (t) => {
  const [, log] = await leading();
  t.is(log.raiseToken(7n, fine), offset(1));
  t.is(attempt(log, 7n), 'at 1');
  t.is(
    log.raiseToken(7n, () => t.fail('nothing is written')),
    offset(1),
  );
  t.throws(() => log.raiseToken(6n, fine), { message: /under fencing token 7, and this writer has 6/ });
  t.is(log.logEnd, offset(2));
});

test('nobody but the leader writes control records', async (t) => {
  const [, log] = await leading();
  t.throws(() => log.append(fencingTokenBatch(9n, 0)), { message: /a control batch: only a server writes those/ });
  t.is(log.fencingToken, undefined);
});

test('a duplicate is answered first, whoever has taken over since', async (t) => {
  const [, log] = await leading();
  const batch = (sequence: number): Uint8Array => testBatch({ producerId: 8n, producerEpoch: 0, sequence });
  log.append(batch(0));
  log.raiseToken(5n, fine);
  t.like(log.append(batch(0)), { kind: 'duplicate', baseOffset: 0n });
  t.throws(() => log.append(batch(1)), { message: /this writer has none: it belongs to somebody else/ });
  t.like(log.append(batch(1), { fencingToken: 5n }), { kind: 'appended', baseOffset: 2n });
});

test('what is refused raises nothing', async (t) => {
  const [, log] = await leading();
  const refuse = (): void => {
    throw new Error('not now');
  };
  t.throws(() => log.raiseToken(5n, refuse), { message: 'not now' });
  t.throws(() => log.append(testBatch(), { fencingToken: 5n, admit: refuse }), { message: 'not now' });
  t.throws(() => log.append(testBatch(), { fencingToken: 5n, expectedOffset: offset(3) }), { message: /ends at 0/ });
  t.is(log.fencingToken, undefined);
  t.is(log.logEnd, offset(0));
});

test('a conditional append that raises the token compares the end of the log before that', async (t) => {
  const [, log] = await leading();
  attempt(log);
  const result = log.append(testBatch(), { fencingToken: 5n, expectedOffset: offset(1) });
  t.like(result, { kind: 'appended', baseOffset: 2n, raised: true });
});

test('a truncation takes a token back', async (t) => {
  const [bench, log] = await leading();
  attempt(log, 5n);
  await commitAll(bench, log);
  attempt(log, 6n);
  attempt(log, 7n);
  await bench.settle(log);
  await bench.run(log.truncate(offset(4)));
  t.deepEqual(log.fencingToken, { token: 6n, at: offset(2) });
  await bench.run(log.truncate(offset(2)));
  t.deepEqual(log.fencingToken, { token: 5n, at: offset(0) });
  bench.disk.crash();
  const again = await bench.reopen({ bootId: 'boot-2' });
  t.deepEqual(again.fencingToken, { token: 5n, at: offset(0) });
  again.lead(epoch(2));
  t.is(attempt(again, 6n), 'at 3, raised');
});

test('after a crash at any step a token is in force exactly when its record is there', async (t) => {
  const found = new Set<string>();
  for (let elapsed = 0; elapsed < 3; elapsed += 0.02) {
    const seed = Math.round(elapsed * 100) + 1;
    const [bench, log] = await leading(seed);
    attempt(log, 5n);
    await bench.settle(log);
    if (seed % 3 === 0) await bench.time.runFor(1_500);
    log.raiseToken(6n, fine);
    attempt(log, 6n);
    await bench.time.runFor(elapsed);
    const isDurable = log.durableEnd > 2n;
    const stop = (): void => (seed % 2 === 0 ? bench.disk.crash() : bench.disk.kill());
    stop();
    const copy = await bench.reopen({ bootId: 'boot-2' });
    const why = `after ${elapsed} ms`;
    const expected = copy.logEnd > 2n ? { token: 6n, at: offset(2) } : { token: 5n, at: offset(0) };
    t.deepEqual(copy.fencingToken, expected, why);
    t.true(!isDurable || copy.logEnd > 2n, why);
    found.add(`${copy.fencingToken?.token}`);
    // Other records stand there now: what was never written must not rise with them.
    copy.lead(epoch(2));
    const token = expected.token;
    attempt(copy, token);
    attempt(copy, token);
    await bench.settle(copy);
    stop();
    t.deepEqual((await bench.reopen({ bootId: 'boot-3' })).fencingToken, expected, why);
  }
  t.deepEqual([...found].sort(), ['5', '6']);
});

test('a control record whose write fails raises nothing, now and after a crash', async (t) => {
  for (const tail of [0.1, 0.5, 1, 2, 5, 20, 1_500]) {
    const [bench, log] = await leading();
    attempt(log, 5n);
    await commitAll(bench, log);
    bench.disk.fail('append', 'ENOSPC', 1, '.log');
    attempt(log, 6n);
    await bench.time.runUntil(() => log.logEnd === 2n);
    t.deepEqual(log.fencingToken, { token: 5n, at: offset(0) });
    await bench.time.runFor(50);
    log.lead(epoch(2));
    t.is(attempt(log, 5n), 'at 2');
    t.is(attempt(log, 5n), 'at 3');
    await bench.time.runFor(tail);
    bench.disk.crash();
    const again = await bench.reopen({ bootId: 'boot-2' });
    t.deepEqual(again.fencingToken, { token: 5n, at: offset(0) }, `${tail} ms`);
  }
});

test('a token that the file speaks of, and whose record was never written, does not rise with what stands there', async (t) => {
  for (let elapsed = 0; elapsed < 3; elapsed += 0.02) {
    const [bench, log] = await leading(Math.round(elapsed * 100) + 1);
    attempt(log, 5n);
    // The file is about to be written, with whatever is in force by then.
    await bench.time.runFor(elapsed);
    bench.disk.fail('append', 'ENOSPC', 1, '.log');
    const end = log.writtenEnd === 2n ? 2n : 0n;
    attempt(log, 6n);
    await bench.time.runUntil(() => log.logEnd === end);
    log.lead(epoch(2));
    // At once when the cut is done: before the file is written again.
    await bench.time.runUntil(() => isTaken(log, 5n));
    for (let i = 0; i < 6; i += 1) attempt(log, 5n);
    await bench.settle(log);
    bench.disk.crash();
    const again = await bench.reopen({ bootId: 'boot-2' });
    t.deepEqual(again.fencingToken, { token: 5n, at: offset(0) }, `after ${elapsed} ms`);
  }
});

test('a token outlives its record: retention and trims do not take it, nor does a stop of any kind', async (t) => {
  for (const stop of ['close', 'kill', 'crash'] as const) {
    const [bench, log] = await leading(1, { segmentBytes: 300, retentionBytes: 300 });
    attempt(log, 5n);
    for (let i = 0; i < 40; i += 1) attempt(log, 5n);
    await commitAll(bench, log);
    await bench.time.runFor(1_500);
    await bench.run(log.applyRetention(bench.time.wallMs()));
    t.true(log.logStart > 20n);
    await bench.run(log.trim(log.highWatermark));
    if (stop === 'close') await bench.close();
    else bench.disk[stop]();
    const again = await bench.reopen({ bootId: 'boot-2' });
    t.is(again.logStart, again.logEnd, stop);
    t.is(again.fencingToken?.token, 5n, stop);
    // Not even when the copy is cut down to where it begins.
    await bench.run(again.truncate(again.logStart));
    t.is(again.fencingToken?.token, 5n, stop);
  }
});

test('a copy takes the token from the record, and gives it back with that', async (t) => {
  const [source, leader] = await leading(1);
  const target = new Bench(2);
  const copy = await target.log();
  attempt(leader);
  attempt(leader, 5n);
  attempt(leader, 6n);
  await source.settle(leader);
  await copyAll(source, leader, target, copy);
  t.deepEqual(copy.fencingToken, leader.fencingToken);
  target.disk.crash();
  const again = await target.reopen({ bootId: 'boot-2' });
  t.deepEqual(again.fencingToken, leader.fencingToken);
  await target.run(again.truncate(offset(3)));
  t.deepEqual(again.fencingToken, { token: 5n, at: offset(1) });
});

test('a copy that begins anew has the token that was raised below, wherever the reset is interrupted', async (t) => {
  const ends = new Set<boolean>();
  for (let elapsed = 0; elapsed < 8; elapsed += 0.1) {
    const [bench, log] = await leading(Math.round(elapsed * 10) + 1);
    attempt(log, 3n);
    await bench.settle(log);
    log.stopLeading();
    log.reset(offset(100), { covering: { epoch: epoch(4), start: offset(90) }, token: 9n }).catch(() => {});
    await bench.time.runFor(elapsed);
    bench.disk.crash();
    const copy = await bench.reopen({ bootId: 'boot-2' });
    const why = `after ${elapsed} ms`;
    if (copy.logEnd === 1n || copy.isCorrupt) continue;
    ends.add(copy.logEnd === 100n);
    t.is(copy.fencingToken?.token, copy.logEnd === 100n ? 9n : 3n, why);
    if (copy.logEnd !== 100n) continue;
    t.is(copy.fencingTokenBefore(offset(100)), 9n, why);
    copy.lead(epoch(5));
    t.is(attempt(copy, 8n), 'fenced: 8 < 9, NOT_WRITTEN', why);
  }
  t.deepEqual([...ends].sort(), [false, true]);
});

test('without the epoch file the records say which token is in force', async (t) => {
  const [bench, log] = await leading();
  attempt(log, 5n);
  attempt(log, 6n);
  await commitAll(bench, log);
  await bench.close();
  await bench.run(bench.disk.mount().removeFile(epochFile));
  t.deepEqual((await bench.reopen()).fencingToken, { token: 6n, at: offset(2) });
});

test('what was committed keeps no list of the tokens before it', async (t) => {
  const [bench, log] = await leading();
  for (let token = 0n; token < 200n; token += 1n) {
    log.raiseToken(token, fine);
    await commitAll(bench, log);
  }
  await bench.close();
  const file = await bench.run(bench.disk.mount().openRead(epochFile));
  t.true((await bench.run(file.size())) < 100);
  t.deepEqual((await bench.reopen()).fencingToken, { token: 199n, at: offset(199) });
});
