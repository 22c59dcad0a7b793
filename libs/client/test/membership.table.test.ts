import { MoldauError, type PartitionKey } from '@moldau/kernel';
import test from 'ava';
import {
  type Granted,
  joining,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
  step,
} from '../src/group/membership-machine.ts';

const granted = (name: string): Granted => ({
  key: name as PartitionKey,
  topicId: name,
  partition: 0,
  committed: undefined,
});
const fencedMember = new MoldauError('FENCED_MEMBER', 'fenced');
const fencedInstance = new MoldauError('FENCED_INSTANCE', 'fenced');
const refused = new MoldauError('INVALID_REGEX', 'refused');

/** The state behind some events, all of them at time 0. */
const after = (...events: MembershipEvent[]): MembershipState =>
  events.reduce((state, event) => step(state, event, 0)[0], joining);

const welcome: MembershipEvent = { kind: 'welcome', sessionTimeoutMs: 100, saidAt: 0 };
const assignment = (number: bigint, ...names: string[]): MembershipEvent => ({
  kind: 'assignment',
  number,
  epoch: Number(number),
  assigned: names.map(granted),
});
const leave: MembershipEvent = { kind: 'leave', comingBack: false };

const states = {
  joining,
  member: after(welcome, assignment(1n, 'a', 'b')),
  'giving-up': after(welcome, assignment(1n, 'a', 'b'), assignment(2n, 'a')),
  leaving: after(welcome, assignment(1n, 'a', 'b'), leave),
  over: after(welcome, { kind: 'fenced', error: fencedMember }),
} satisfies Record<MembershipState['kind'], MembershipState>;

const events = {
  opened: { kind: 'opened' },
  welcome,
  assignment: assignment(3n, 'a', 'c'),
  renewed: { kind: 'renewed', saidAt: 40 },
  'gave-up': { kind: 'gave-up', partitions: ['b' as PartitionKey] },
  fenced: { kind: 'fenced', error: fencedMember },
  refused: { kind: 'refused', error: refused },
  ticked: { kind: 'ticked' },
  leave,
  ended: { kind: 'ended' },
} satisfies Record<MembershipEvent['kind'], MembershipEvent>;

const keys = (partitions: readonly { readonly key: PartitionKey }[]): string => partitions.map(({ key }) => key).join();

function told(effect: MembershipEffect): string {
  switch (effect.kind) {
    case 'hello':
      return `hello ${effect.lastMemberEpoch ?? '-'} ${effect.lastAssignment ?? '-'} [${keys(effect.owned)}]`;
    case 'ack':
      return `ack ${effect.assignment} [${keys(effect.owned)}]`;
    case 'take':
      return `take ${keys(effect.partitions)}`;
    case 'give-up':
      return `give up ${effect.partitions.join()}`;
    case 'lose':
      return `lose ${effect.partitions.join()}`;
    case 'leave':
      return 'leave';
  }
}

/** The next state, and what is done. */
function outcome(state: MembershipState, event: MembershipEvent, now = 50): string {
  const [next, effects] = step(state, event, now);
  const kind = next.kind === 'over' ? `over (${next.why})` : next.kind;
  return [kind, ...effects.map(told)].join('; ');
}

const table: Record<MembershipState['kind'], Record<MembershipEvent['kind'], string>> = {
  joining: {
    opened: 'joining; hello - - []',
    welcome: 'member',
    assignment: 'joining',
    renewed: 'joining',
    'gave-up': 'joining',
    fenced: 'over (lost)',
    refused: 'over (refused)',
    ticked: 'joining',
    leave: 'leaving; leave',
    ended: 'joining',
  },
  member: {
    opened: 'member; hello 1 1 [a,b]',
    welcome: 'member',
    assignment: 'giving-up; take c; give up b',
    renewed: 'member',
    'gave-up': 'member',
    fenced: 'over (lost); lose a,b',
    refused: 'over (refused); lose a,b',
    ticked: 'member',
    leave: 'leaving; leave',
    ended: 'member',
  },
  'giving-up': {
    opened: 'giving-up; hello 2 2 [a,b]',
    welcome: 'giving-up',
    assignment: 'giving-up; take c',
    renewed: 'giving-up',
    'gave-up': 'member; ack 2 [a]',
    fenced: 'over (lost); lose a,b',
    refused: 'over (refused); lose a,b',
    ticked: 'giving-up',
    leave: 'leaving; leave',
    ended: 'giving-up',
  },
  leaving: {
    opened: 'leaving; hello 1 1 []; leave',
    welcome: 'leaving',
    assignment: 'leaving',
    renewed: 'leaving',
    'gave-up': 'leaving',
    fenced: 'over (left)',
    refused: 'over (left)',
    ticked: 'leaving',
    leave: 'leaving',
    ended: 'over (left)',
  },
  over: {
    opened: 'over (lost)',
    welcome: 'over (lost)',
    assignment: 'over (lost)',
    renewed: 'over (lost)',
    'gave-up': 'over (lost)',
    fenced: 'over (lost)',
    refused: 'over (lost)',
    ticked: 'over (lost)',
    leave: 'over (lost)',
    ended: 'over (lost)',
  },
};

for (const [stateName, state] of Object.entries(states)) {
  test(`${stateName}: what each event does, and that all come too late behind the session`, (t) => {
    for (const [eventName, event] of Object.entries(events)) {
      const expected = table[state.kind][event.kind];
      t.is(outcome(state, event), expected, eventName);
      if (state.kind === 'member' || state.kind === 'giving-up')
        t.is(outcome(state, event, 100), 'over (lost); lose a,b', `${eventName} at the end`);
    }
  });
}

test('only an answered ping renews a session, from when it was sent; a welcome may shorten it', (t) => {
  const endOf = (event: MembershipEvent): unknown => {
    const [state] = step(states.member, event, 50);
    return 'endsAt' in state && state.endsAt;
  };
  t.is(endOf(events.renewed), 140);
  t.is(endOf({ kind: 'renewed', saidAt: -10 }), 100, 'never back');
  t.is(endOf({ kind: 'welcome', sessionTimeoutMs: 100, saidAt: 50 }), 100);
  t.is(endOf({ kind: 'welcome', sessionTimeoutMs: 30, saidAt: 50 }), 80);
});

test('whoever has its instance id is the member from now on', (t) => {
  t.is(outcome(states.member, { kind: 'fenced', error: fencedInstance }), 'over (refused); lose a,b');
});

test('a partition that is given back while it is given up is taken again, once it was', (t) => {
  const [state, effects] = step(states['giving-up'], assignment(3n, 'a', 'b'), 0);
  t.deepEqual(effects.map(told), []);
  t.is(outcome(state, events['gave-up']), 'member; take b; ack 3 [a,b]');
});

test('an assignment that comes again is acknowledged again; an older one is nothing', (t) => {
  t.is(outcome(states.member, assignment(1n, 'a', 'b')), 'member; ack 1 [a,b]');
  t.is(outcome(states.member, assignment(0n)), 'member');
});
