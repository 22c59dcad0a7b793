import { leaderEpoch, offset } from '@moldau/kernel';
import test from 'ava';
import { type EpochStart, matchCopy } from '../src/index.ts';
import { ModelLog } from './support/model-log.ts';

/** `5@0 6@3`: epochs with their starts. */
const epochs = (text: string): EpochStart[] =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [epoch, start] = word.split('@').map(Number);
      return { epoch: leaderEpoch(epoch ?? 0), start: offset(start ?? 0) };
    });

/** A leader's log as its epochs tell it: on a compacted topic the records between are not all there. */
function leaderLog(text: string, end: number, logStart = 0): ModelLog {
  const log = new ModelLog();
  log.reset(offset(logStart), undefined);
  const listed = epochs(text);
  const records = Array.from({ length: end - logStart }, (_, i) => ({
    epoch: listed.findLast(({ start }) => start <= logStart + i)?.epoch ?? leaderEpoch(0),
    value: 'v',
  }));
  log.copy(records, listed);
  return log;
}

type Compacted = { readonly supersededEnd?: number; readonly tombstoneEnd?: number };

const match = (copy: string, end: number, leader: ModelLog, logStart = 0, compacted: Compacted = {}): string => {
  const { supersededEnd = 0, tombstoneEnd = 0 } = compacted;
  const found = matchCopy(
    {
      logStart: offset(logStart),
      durableEnd: offset(end),
      supersededEnd: offset(supersededEnd),
      tombstoneEnd: offset(tombstoneEnd),
      epochs: epochs(copy),
    },
    leader,
  );
  return found.kind === 'whole' ? 'whole' : `${found.kind} to ${found.to}`;
};

test('brand-new partition, all logs empty: nothing to cut', (t) => {
  t.is(match('', 0, leaderLog('', 0)), 'whole');
  t.is(match('', 0, leaderLog('5@0', 4)), 'whole');
  t.is(match('6@0', 0, leaderLog('5@0 7@4', 4)), 'whole', 'it has led, and written nothing');
});

test('a copy is cut where the largest epoch that both have ends, on either side', (t) => {
  const leader = leaderLog('5@0 6@3', 6);
  t.is(match('5@0 6@3', 5, leader), 'whole');
  t.is(match('5@0 6@3', 6, leader), 'whole');
  t.is(match('5@0 6@3', 9, leader), 'truncate to 6');
  t.is(match('5@0', 2, leader), 'whole');
  t.is(match('5@0', 5, leader), 'truncate to 3');
  t.is(match('4@0 5@1', 5, leader), 'truncate to 3');
  t.is(match('3@0 4@2', 5, leader), 'reset to 0', 'no epoch in common');
});

test('epoch bumps without records: an epoch that wrote nothing is no epoch of the log', (t) => {
  t.is(match('5@0 7@3', 3, leaderLog('5@0 6@3', 6)), 'whole', 'the copy noted an epoch of its own, and wrote nothing');
  t.is(match('5@0 6@3', 4, leaderLog('5@0 7@4', 4)), 'truncate to 3', 'the leader has only noted its epoch');
});

test('a divergent suffix of several epochs goes at once', (t) => {
  t.is(match('1@0 2@2 4@4 6@6', 8, leaderLog('1@0 2@2 3@3 5@5 7@7', 9)), 'truncate to 3');
});

test('follower ahead of the leader’s log start after retention', (t) => {
  const leader = leaderLog('5@0 6@5', 9, 2);
  t.is(match('5@0 6@5', 7, leader, 4), 'whole', 'it has removed more than the leader');
  t.is(match('6@5', 5, leader, 5), 'whole');
  t.is(match('5@0', 7, leader, 6), 'reset to 2', 'what is left of it is not the leader’s');
});

test('a copy that ends below the leader’s log start begins anew there', (t) => {
  const leader = leaderLog('5@2 6@6', 9, 4);
  t.is(match('5@0', 3, leader), 'reset to 4');
  t.is(match('', 0, leader), 'reset to 4');
});

test('a copy that ends at the log start: compared, where the leader still knows', (t) => {
  t.is(match('4@0', 4, leaderLog('5@4', 6, 4)), 'whole');
  t.is(match('5@0', 4, leaderLog('5@0 6@6', 9, 4)), 'whole');
  t.is(match('4@0', 4, leaderLog('', 4, 4)), 'whole');
  t.is(match('3@0 5@2', 4, leaderLog('4@1 6@6', 9, 4)), 'reset to 4', 'a later epoch than the leader has there');
  t.is(match('3@0', 4, leaderLog('4@1 6@6', 9, 4)), 'reset to 4', 'the record before was of another epoch');
});

test('new replica of a compacted log with gaps: epochs come from the leader, whatever records are left', (t) => {
  // Of epoch 5 no record is left; its entry says all the same where it was.
  const leader = leaderLog('4@0 5@10 6@20', 30);
  t.is(match('4@0 5@10', 20, leader), 'whole');
  t.is(match('4@0 5@10', 24, leader), 'truncate to 20');
  t.is(match('4@0', 10, leader), 'whole');
  t.is(match('4@0', 15, leader), 'truncate to 10', 'it derived nothing from the batches');
});

test('only the newest epochs of a copy are told: when none of them is the leader’s, it begins anew', (t) => {
  t.is(match('7@60 9@70', 80, leaderLog('1@0 6@50 8@65', 90)), 'reset to 0');
});

test('a copy that ends below the highest tombstone that its leader has removed begins anew, once', (t) => {
  const leader = leaderLog('5@0 6@3', 9);
  leader.tombstoneEnd = offset(5);
  t.is(match('5@0 6@3', 5, leader), 'whole');
  t.is(match('5@0 6@3', 4, leader), 'reset to 0');
  t.is(match('5@0 6@3', 9, leaderLog('5@0 6@3', 9)), 'whole');
  t.is(match('5@0', 7, leader), 'reset to 0', 'where it would be cut, too');
  t.is(match('', 0, leader), 'reset to 0', 'an empty one is told what it will lack');
  t.is(
    match('5@0 6@3', 4, leader, 0, { tombstoneEnd: 5 }),
    'whole',
    'it began without them: there is nothing that they deleted',
  );
  t.is(match('5@0 6@3', 4, leader, 0, { tombstoneEnd: 4 }), 'reset to 0');
});

test('a copy is never cut below a record for which older ones may be gone', (t) => {
  const leader = leaderLog('5@0 7@3', 9);
  t.is(match('5@0 6@3', 8, leader, 0, { supersededEnd: 3 }), 'truncate to 3');
  t.is(match('5@0 6@3', 8, leader, 0, { supersededEnd: 4 }), 'reset to 0');
  t.is(match('5@0', 3, leader, 0, { supersededEnd: 3 }), 'whole', 'nothing is cut');
});
