import { leaderEpoch, nodeId, offset } from '@moldau/kernel';
import test from 'ava';
import { type FollowerEvent, FollowerMachine, type FollowerState, type Following, type Piece } from '../src/index.ts';
import { ModelLog } from './support/model-log.ts';
import { sayFollower } from './support/words.ts';

type State = FollowerState['kind'];
type Event = FollowerEvent['kind'];

// The copy holds a5 b5 c5, two of them committed. It follows epoch 6 in session 1; whatever comes next is of that session.
const following: Following = { leader: nodeId(1), epoch: leaderEpoch(6), lastUncleanEpoch: leaderEpoch(0) };
const later: Following = { ...following, epoch: leaderEpoch(7) };
const piece: Piece = {
  epoch: leaderEpoch(6),
  from: offset(3),
  previousEpoch: leaderEpoch(5),
  epochs: [{ epoch: leaderEpoch(6), start: offset(3) }],
  batches: new Uint8Array(),
  highWatermark: offset(3),
  logStart: offset(0),
  tombstoneEnd: offset(0),
};
const welcome = (truncateTo: number | undefined, resetTo?: number): FollowerEvent => ({
  kind: 'welcome',
  session: 1,
  epoch: leaderEpoch(6),
  truncateTo: truncateTo === undefined ? undefined : offset(truncateTo),
  reset:
    resetTo === undefined
      ? undefined
      : { to: offset(resetTo), covering: undefined, token: undefined, tombstoneEnd: offset(0) },
});

const way: Record<State, readonly FollowerEvent[]> = {
  idle: [],
  preparing: [{ kind: 'follow', following }],
  waiting: [
    { kind: 'follow', following },
    { kind: 'prepared', epoch: leaderEpoch(6) },
  ],
  greeting: [
    { kind: 'follow', following },
    { kind: 'prepared', epoch: leaderEpoch(6) },
    { kind: 'open', session: 1 },
  ],
  cutting: [
    { kind: 'follow', following },
    { kind: 'prepared', epoch: leaderEpoch(6) },
    { kind: 'open', session: 1 },
    welcome(2),
  ],
  following: [
    { kind: 'follow', following },
    { kind: 'prepared', epoch: leaderEpoch(6) },
    { kind: 'open', session: 1 },
    welcome(undefined),
  ],
  halted: [
    { kind: 'follow', following },
    { kind: 'prepared', epoch: leaderEpoch(6) },
    { kind: 'open', session: 1 },
    welcome(1),
  ],
};

const events: Record<Event, FollowerEvent> = {
  follow: { kind: 'follow', following: later },
  prepared: { kind: 'prepared', epoch: leaderEpoch(6) },
  unprepared: { kind: 'unprepared', epoch: leaderEpoch(6) },
  open: { kind: 'open', session: 1 },
  closed: { kind: 'closed', session: 1 },
  welcome: welcome(2),
  refused: { kind: 'refused', session: 1, reason: 'busy' },
  cut: { kind: 'cut', done: true },
  data: { kind: 'data', session: 1, piece },
  beat: { kind: 'beat', session: 1, epoch: leaderEpoch(6), highWatermark: offset(3), logStart: offset(0) },
  mismatch: { kind: 'mismatch', reason: 'gap' },
  synced: { kind: 'synced' },
  damaged: { kind: 'damaged' },
};

function follower(state: State): { machine: FollowerMachine; log: ModelLog } {
  const log = ModelLog.of('a5 b5 c5');
  log.commit(offset(2));
  const machine = new FollowerMachine(log);
  for (const event of way[state]) machine.step(event);
  return { machine, log };
}

const outcome = (machine: FollowerMachine, event: FollowerEvent): string => {
  const before = machine.state;
  const effects = machine.step(event).map(sayFollower);
  if (effects.length === 0 && machine.state === before) return '-';
  return [...effects, `→ ${machine.state.kind}`].join(', ');
};

// A new state or event does not compile until its row and column are filled in. `-`: ignored, nothing has changed.
const table: Record<State, Record<Event, string>> = {
  idle: {
    follow: 'prepare 7, → preparing',
    prepared: '-',
    unprepared: '-',
    open: '-',
    closed: '-',
    welcome: '-',
    refused: '-',
    cut: '-',
    data: '-',
    beat: '-',
    mismatch: '-',
    synced: '-',
    damaged: '-',
  },
  preparing: {
    follow: 'prepare 7, → preparing',
    prepared: 'want after 0, → waiting',
    unprepared: 'prepare 6, → preparing',
    open: '-',
    closed: '-',
    welcome: '-',
    refused: '-',
    cut: '-',
    data: '-',
    beat: '-',
    mismatch: '-',
    synced: '-',
    damaged: '-',
  },
  waiting: {
    follow: 'prepare 7, → preparing',
    prepared: '-',
    unprepared: '-',
    open: 'hello 1 epoch 6, → greeting',
    closed: '-',
    welcome: '-',
    refused: '-',
    cut: '-',
    data: '-',
    beat: '-',
    mismatch: '-',
    synced: '-',
    damaged: '-',
  },
  greeting: {
    follow: 'nack 1 left, prepare 7, → preparing',
    prepared: '-',
    unprepared: '-',
    open: '-',
    closed: 'want after 0, → waiting',
    welcome: 'truncate to 2, → cutting',
    refused: 'want after 100, → waiting',
    cut: '-',
    data: '-',
    beat: '-',
    mismatch: 'nack 1 gap, want after 100, → waiting',
    synced: '-',
    damaged: 'nack 1 corrupt, want after 100, → waiting',
  },
  cutting: {
    follow: 'nack 1 left, → cutting',
    prepared: '-',
    unprepared: '-',
    open: '-',
    closed: '→ cutting',
    welcome: '-',
    refused: '→ cutting',
    cut: 'ready 1 epoch 6, → following',
    data: '-',
    beat: '-',
    mismatch: '-',
    synced: '-',
    damaged: 'nack 1 left, → cutting',
  },
  following: {
    follow: 'nack 1 left, prepare 7, → preparing',
    prepared: '-',
    unprepared: '-',
    open: '-',
    closed: 'want after 0, → waiting',
    welcome: '-',
    refused: 'want after 100, → waiting',
    cut: '-',
    data: 'append from 3, → following',
    beat: 'learn hw 3 start 0, → following',
    mismatch: 'nack 1 gap, want after 100, → waiting',
    synced: 'ack 1 epoch 6 end 3, → following',
    damaged: 'nack 1 corrupt, want after 100, → waiting',
  },
  halted: {
    follow: 'prepare 7, → preparing',
    prepared: '-',
    unprepared: '-',
    open: '-',
    closed: '-',
    welcome: '-',
    refused: '-',
    cut: '-',
    data: '-',
    beat: '-',
    mismatch: '-',
    synced: '-',
    damaged: '-',
  },
};

const entriesOf = <K extends string, V>(record: Record<K, V>): [K, V][] => Object.entries(record) as [K, V][];

for (const [state, row] of entriesOf(table)) {
  test(`${state}: every event`, (t) => {
    for (const [event, expected] of entriesOf(row))
      t.is(outcome(follower(state).machine, events[event]), expected, event);
  });
}

test('what is of another session is of no use in any state', (t) => {
  const foreign: readonly FollowerEvent[] = [
    { kind: 'closed', session: 9 },
    { ...(events.welcome as FollowerEvent & { kind: 'welcome' }), session: 9 },
    { kind: 'refused', session: 9, reason: 'fenced' },
    { kind: 'data', session: 9, piece },
    { kind: 'beat', session: 9, epoch: leaderEpoch(6), highWatermark: offset(3), logStart: offset(0) },
  ];
  for (const [state] of entriesOf(table)) {
    for (const event of foreign) t.is(outcome(follower(state).machine, event), '-', `${state}, ${event.kind}`);
  }
});

test('an assignment that is not newer changes nothing', (t) => {
  for (const [state] of entriesOf(table)) {
    if (state === 'idle') continue;
    t.is(outcome(follower(state).machine, { kind: 'follow', following }), '-', state);
  }
});

test('Welcome of E−1 arriving after E: a Welcome of another epoch is ignored', (t) => {
  const { machine } = follower('greeting');
  const older = { ...(welcome(undefined) as FollowerEvent & { kind: 'welcome' }), epoch: leaderEpoch(5) };
  t.is(outcome(machine, older), '-');
});

test('Data and Beat of another epoch end the session', (t) => {
  const data: FollowerEvent = { kind: 'data', session: 1, piece: { ...piece, epoch: leaderEpoch(5) } };
  t.is(outcome(follower('following').machine, data), 'nack 1 epoch, want after 100, → waiting');
  const beat = { ...(events.beat as FollowerEvent & { kind: 'beat' }), epoch: leaderEpoch(7) };
  t.is(outcome(follower('following').machine, beat), 'nack 1 epoch, want after 100, → waiting');
});

test('a Welcome cuts the copy only where something lies behind, and never below what is committed', (t) => {
  const answers = (event: FollowerEvent): string => outcome(follower('greeting').machine, event);
  t.is(answers(welcome(undefined)), 'ready 1 epoch 6, → following');
  t.is(answers(welcome(3)), 'ready 1 epoch 6, → following');
  t.is(answers(welcome(2)), 'truncate to 2, → cutting');
  t.is(answers(welcome(1)), 'nack 1 left, halt at 1, → halted');
  t.is(answers(welcome(undefined, 4)), 'reset to 4, → cutting');
  t.is(answers(welcome(undefined, 0)), 'nack 1 left, halt at 0, → halted');
});

test('an unclean election that a follower slept through: its copy is cut below what it knows as committed', (t) => {
  for (const [lastUnclean, expected] of [
    [5, 'nack 1 left, halt at 1, → halted'],
    [6, 'truncate to 1, → cutting'],
  ] as const) {
    const log = ModelLog.of('a5 b5 c5');
    log.commit(offset(2));
    const machine = new FollowerMachine(log);
    machine.step({ kind: 'follow', following: { ...following, lastUncleanEpoch: leaderEpoch(lastUnclean) } });
    machine.step({ kind: 'prepared', epoch: leaderEpoch(6) });
    machine.step({ kind: 'open', session: 1 });
    t.is(outcome(machine, welcome(1)), expected);
  }
});

test('a damaged copy begins anew, whatever was committed in it', (t) => {
  const { machine, log } = follower('greeting');
  log.isCorrupt = true;
  t.is(outcome(machine, { kind: 'damaged' }), 'nack 1 corrupt, want after 100, → waiting');
  machine.step({ kind: 'open', session: 1 });
  t.is(outcome(machine, welcome(undefined, 0)), 'reset to 0, → cutting');
  t.is(outcome(machine, { kind: 'cut', done: false }), 'nack 1 left, want after 1000, → waiting');
});

test('tombstones that the leader has removed, and that this copy does not reach, end it; nothing is lost by that', (t) => {
  const data = (tombstoneEnd: number): FollowerEvent => ({
    kind: 'data',
    session: 1,
    piece: { ...piece, tombstoneEnd: offset(tombstoneEnd) },
  });
  t.is(outcome(follower('following').machine, data(3)), outcome(follower('following').machine, events.data));
  t.is(outcome(follower('following').machine, data(4)), 'nack 1 gap, want after 100, → waiting');
  const { machine, log } = follower('following');
  log.tombstoneEnd = offset(4);
  t.is(outcome(machine, data(4)), outcome(follower('following').machine, events.data), 'it began without them');
  const begin = (tombstoneEnd: number): FollowerEvent => ({
    ...(welcome(undefined) as FollowerEvent & { kind: 'welcome' }),
    reset: { to: offset(0), covering: undefined, token: undefined, tombstoneEnd: offset(tombstoneEnd) },
  });
  t.is(outcome(follower('greeting').machine, begin(3)), 'nack 1 left, halt at 0, → halted');
  t.is(outcome(follower('greeting').machine, begin(4)), 'reset to 0, → cutting');
});

test('an empty copy has nothing to lose: it may begin anew anywhere', (t) => {
  const machine = new FollowerMachine(new ModelLog());
  for (const event of way.greeting) machine.step(event);
  t.is(outcome(machine, welcome(undefined, 7)), 'reset to 7, → cutting');
});

test('truncate and crash at each step: without Ready, nothing was agreed', (t) => {
  // Before the cut, and after it: the machine of the next start knows neither, and begins with the copy as it is.
  for (const end of [3, 2]) {
    const log = ModelLog.of('a5 b5 c5');
    log.truncate(offset(end));
    const machine = new FollowerMachine(log);
    for (const event of way.greeting) machine.step(event);
    t.is(machine.state.kind, 'greeting');
    const expected = end === 3 ? 'truncate to 2, → cutting' : 'ready 1 epoch 6, → following';
    t.is(outcome(machine, welcome(2)), expected);
  }
  // The session, the epoch, or the disk goes meanwhile.
  const gone = follower('cutting').machine;
  gone.step({ kind: 'closed', session: 1 });
  t.is(outcome(gone, { kind: 'cut', done: true }), 'want after 0, → waiting');
  const newer = follower('cutting').machine;
  newer.step({ kind: 'follow', following: later });
  t.is(outcome(newer, { kind: 'cut', done: true }), 'prepare 7, → preparing');
  const failed = follower('cutting').machine;
  t.is(outcome(failed, { kind: 'cut', done: false }), 'nack 1 left, want after 1000, → waiting');
  const damaged = follower('cutting').machine;
  damaged.step({ kind: 'damaged' });
  t.is(outcome(damaged, { kind: 'cut', done: true }), 'want after 0, → waiting');
});

test('each refusal has its pause', (t) => {
  const pauses = {
    fenced: 250,
    'unknown-epoch': 100,
    'not-leader': 100,
    'stale-node': 1000,
    'not-replica': 500,
    busy: 100,
    protocol: 250,
  } as const;
  for (const [reason, pauseMs] of entriesOf<keyof typeof pauses, number>(pauses)) {
    const { machine } = follower('following');
    t.is(outcome(machine, { kind: 'refused', session: 1, reason }), `want after ${pauseMs}, → waiting`);
  }
});
