import { MoldauError, type PartitionKey } from '@moldau/kernel';
import { SeededRandom } from '@moldau/testing';
import test from 'ava';
import {
  joining,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
  step,
} from '../src/group/membership-machine.ts';

const names = ['a', 'b', 'c', 'd', 'e'] as PartitionKey[];

function randomEvent(
  random: SeededRandom,
  now: number,
  givingUp: ReadonlySet<PartitionKey>,
  number: bigint,
): MembershipEvent {
  const some = names.filter(() => random.chance(0.5));
  switch (random.below(9)) {
    case 0:
      return { kind: 'opened' };
    case 1:
      return { kind: 'welcome', sessionTimeoutMs: 50 + random.below(100), saidAt: now - random.below(20) };
    case 2:
    case 3: {
      const assigned = some.map((key) => ({ key, topicId: key, partition: 0, committed: undefined }));
      return { kind: 'assignment', number: number - BigInt(random.below(2)), epoch: Number(number), assigned };
    }
    case 4:
    case 5:
      return { kind: 'gave-up', partitions: [...givingUp].filter(() => random.chance(0.7)) };
    case 6:
      return { kind: 'renewed', saidAt: now - random.below(20) };
    case 7:
      return random.chance(0.05)
        ? { kind: 'fenced', error: new MoldauError('FENCED_MEMBER', 'x') }
        : { kind: 'ticked' };
    default:
      return random.chance(0.05) ? { kind: 'leave', comingBack: false } : { kind: 'ended' };
  }
}

test('in random histories partitions are taken, given up and acknowledged in turn, and never behind the session', (t) => {
  const first = Number(process.env.MOLDAU_SEED ?? 1);
  for (let seed = first; seed < first + 300; seed += 1) {
    const random = new SeededRandom(seed);
    let state: MembershipState = joining;
    let now = 0;
    /** No session lasts longer than this, by what was answered. */
    let endsBy = Number.NEGATIVE_INFINITY;
    let longestMs = 0;
    const working = new Set<PartitionKey>();
    const givingUp = new Set<PartitionKey>();
    const check = (isTrue: boolean, what: string): void => {
      if (!isTrue) t.fail(`${what}: seed ${seed}, at ${now}`);
    };
    const carryOut = (effect: MembershipEffect): void => {
      if (effect.kind === 'take')
        for (const { key } of effect.partitions) {
          check(!working.has(key), `${key} is taken twice`);
          working.add(key);
        }
      if (effect.kind === 'give-up')
        for (const key of effect.partitions) {
          check(working.has(key) && !givingUp.has(key), `${key} is given up, and is not there`);
          givingUp.add(key);
        }
      if (effect.kind === 'lose') {
        check([...working].sort().join() === [...effect.partitions].sort().join(), 'all is lost');
        working.clear();
        givingUp.clear();
      }
      if (effect.kind === 'ack') {
        check(givingUp.size === 0, 'nothing is acknowledged before it is given up');
        check(
          effect.owned
            .map(({ key }) => key)
            .sort()
            .join() === [...working].sort().join(),
          'what is acknowledged is owned',
        );
      }
    };
    for (let i = 0; i < 200; i += 1) {
      now += random.below(12);
      const event = randomEvent(random, now, givingUp, BigInt(i + 1));
      if (event.kind === 'welcome') longestMs = Math.max(longestMs, event.sessionTimeoutMs);
      if (event.kind === 'welcome' || event.kind === 'renewed') endsBy = Math.max(endsBy, event.saidAt + longestMs);
      const isOver: boolean = state.kind === 'over';
      const [next, effects]: ReturnType<typeof step> = step(state, event, now);
      if (event.kind === 'gave-up' && next.kind !== 'over')
        for (const key of event.partitions) {
          givingUp.delete(key);
          working.delete(key);
        }
      for (const effect of effects) carryOut(effect);
      check(!isOver || effects.length === 0, 'what is over does nothing');
      if (next.kind === 'member' || next.kind === 'giving-up') {
        check(now < next.endsAt && next.endsAt <= endsBy, 'it lasts no longer than its session');
        check([...next.owned.keys()].sort().join() === [...working].sort().join(), 'what it owns is worked on');
      }
      state = next;
      // The application has given all up before it leaves; and a membership is followed by another one.
      if (state.kind === 'over' || state.kind === 'leaving') {
        state = joining;
        working.clear();
        givingUp.clear();
        longestMs = 0;
        endsBy = Number.NEGATIVE_INFINITY;
      }
    }
  }
  t.pass();
});
