import { AssertionFailed, faults, offset } from '@moldau/kernel';
import test from 'ava';
import { nextPhase, type Phase, type ShardEvent } from '../src/phase.ts';

const error = faults.notServing('s', 'gone');
const first = faults.notServing('s', 'gone before');
const end = offset(3);

const phases: { readonly [K in Phase['kind']]: Extract<Phase, { kind: K }> } = {
  fencing: { kind: 'fencing' },
  replaying: { kind: 'replaying', end },
  serving: { kind: 'serving' },
  draining: { kind: 'draining' },
  lost: { kind: 'lost', error: first },
};
const events: { readonly [K in ShardEvent['kind']]: Extract<ShardEvent, { kind: K }> } = {
  fenced: { kind: 'fenced', end },
  replayed: { kind: 'replayed' },
  drain: { kind: 'drain', error },
  drained: { kind: 'drained', error },
  failed: { kind: 'failed', error },
};

/** `never`: only a bug can bring it about. */
const table: Record<Phase['kind'], Record<ShardEvent['kind'], Phase['kind'] | 'never'>> = {
  fencing: { fenced: 'replaying', replayed: 'never', drain: 'lost', drained: 'never', failed: 'lost' },
  replaying: { fenced: 'never', replayed: 'serving', drain: 'lost', drained: 'never', failed: 'lost' },
  serving: { fenced: 'never', replayed: 'never', drain: 'draining', drained: 'never', failed: 'lost' },
  draining: { fenced: 'never', replayed: 'never', drain: 'draining', drained: 'lost', failed: 'lost' },
  lost: { fenced: 'lost', replayed: 'lost', drain: 'lost', drained: 'lost', failed: 'lost' },
};

for (const from of Object.keys(table) as Phase['kind'][]) {
  for (const by of Object.keys(table[from]) as ShardEvent['kind'][]) {
    const expected = table[from][by];
    test(`${from} × ${by} → ${expected}`, (t) => {
      const step = (): Phase => nextPhase(phases[from], events[by]);
      if (expected === 'never') return void t.throws(step, { instanceOf: AssertionFailed });
      const found = step();
      t.is(found.kind, expected);
      if (found.kind === 'lost') t.is(found.error, from === 'lost' ? first : error);
      if (found.kind === 'replaying') t.is(found.end, end);
    });
  }
}
