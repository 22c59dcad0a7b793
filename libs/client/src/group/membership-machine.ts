import type { Millis, MoldauError, PartitionKey } from '@moldau/kernel';

/** A partition, by the id of its topic. */
export interface NamedPartition {
  readonly key: PartitionKey;
  readonly topicId: string;
  readonly partition: number;
}

/** One that is given to a member, with what was committed there. */
export interface Granted extends NamedPartition {
  /** `undefined`: nothing was. */
  readonly committed: { readonly offset: bigint; readonly leaderEpoch: number | undefined } | undefined;
}

/** What a membership that was accepted once goes on with. */
interface Joined {
  readonly sessionTimeoutMs: Millis;
  /** Of the monotonic clock: from then on it may be somebody else who owns what it owns. */
  readonly endsAt: Millis;
  /** `undefined`: it was told nothing yet. */
  readonly epoch: number | undefined;
  /** The last assignment that was taken. What that took away may still be owned. */
  readonly applied: bigint | undefined;
  /** All of that assignment. */
  readonly assigned: ReadonlyMap<PartitionKey, Granted>;
  /** What the application has, until it has given it up. */
  readonly owned: ReadonlyMap<PartitionKey, NamedPartition>;
  /** What of it the application was asked to give up. */
  readonly givingUp: ReadonlySet<PartitionKey>;
}

/** One membership, under one member id. See SPEC.md. */
export type MembershipState =
  | { readonly kind: 'joining' }
  | (Joined & { readonly kind: 'member' })
  | (Joined & { readonly kind: 'giving-up' })
  /** Whatever it owned the application has given up. `endsAt`: by then it is gone whether it is heard or not. */
  | {
      readonly kind: 'leaving';
      readonly comingBack: boolean;
      readonly endsAt: Millis | undefined;
      readonly last: Resumption;
    }
  | { readonly kind: 'over'; readonly why: 'left' | 'lost' | 'refused'; readonly error: MoldauError | undefined };

/** What a hello says of what was before. */
export interface Resumption {
  readonly lastMemberEpoch: number | undefined;
  readonly lastAssignment: bigint | undefined;
  readonly owned: readonly NamedPartition[];
}

export type MembershipEvent =
  /** There is a new stream. */
  | { readonly kind: 'opened' }
  /** `saidAt`: when the hello was sent. */
  | { readonly kind: 'welcome'; readonly sessionTimeoutMs: Millis; readonly saidAt: Millis }
  | {
      readonly kind: 'assignment';
      readonly number: bigint;
      readonly epoch: number;
      readonly assigned: readonly Granted[];
    }
  /** A ping was answered that was sent at this time. */
  | { readonly kind: 'renewed'; readonly saidAt: Millis }
  /** The application has given these up. */
  | { readonly kind: 'gave-up'; readonly partitions: readonly PartitionKey[] }
  /** The coordinator says that this member is none. */
  | { readonly kind: 'fenced'; readonly error: MoldauError }
  /** The coordinator refuses, for good. */
  | { readonly kind: 'refused'; readonly error: MoldauError }
  | { readonly kind: 'ticked' }
  /** The application wants to leave, and has given everything up. */
  | { readonly kind: 'leave'; readonly comingBack: boolean }
  /** The stream was ended by the coordinator, in order. */
  | { readonly kind: 'ended' };

export type MembershipEffect =
  | ({ readonly kind: 'hello' } & Resumption)
  | { readonly kind: 'ack'; readonly assignment: bigint; readonly owned: readonly NamedPartition[] }
  | { readonly kind: 'leave'; readonly comingBack: boolean }
  /** The application is to work on these. */
  | { readonly kind: 'take'; readonly partitions: readonly Granted[] }
  /** The application is to give these up, and to say so. */
  | { readonly kind: 'give-up'; readonly partitions: readonly PartitionKey[] }
  /** The application does not have these any more. `error`: absent when the session has ended by our own clock. */
  | { readonly kind: 'lose'; readonly partitions: readonly PartitionKey[]; readonly error: MoldauError | undefined };

export type Stepped = readonly [MembershipState, readonly MembershipEffect[]];

export const joining: MembershipState = { kind: 'joining' };

/** When the session ends, as this side has to take it. `undefined`: it has none. */
export function endOf(state: MembershipState): Millis | undefined {
  return state.kind === 'member' || state.kind === 'giving-up' || state.kind === 'leaving' ? state.endsAt : undefined;
}

/** One event at `now` of the monotonic clock. A session that has ended by then has ended before the event. */
export function step(state: MembershipState, event: MembershipEvent, now: Millis): Stepped {
  const endsAt = endOf(state);
  if (endsAt !== undefined && now >= endsAt) return end(state, 'lost', undefined);
  switch (state.kind) {
    case 'joining':
      return whileJoining(state, event, now);
    case 'member':
    case 'giving-up':
      return asMember(state, event);
    case 'leaving':
      return whileLeaving(state, event);
    case 'over':
      return [state, []];
  }
}

function whileJoining(state: MembershipState, event: MembershipEvent, now: Millis): Stepped {
  switch (event.kind) {
    case 'opened':
      return [state, [{ kind: 'hello', ...nothing }]];
    case 'welcome': {
      const endsAt = event.saidAt + event.sessionTimeoutMs;
      const joined = { ...empty, kind: 'member', sessionTimeoutMs: event.sessionTimeoutMs, endsAt } as const;
      return now >= endsAt ? end(joined, 'lost', undefined) : [joined, []];
    }
    case 'leave':
      // It may be a member already, and not know it.
      return leave(undefined, nothing, event.comingBack);
    case 'fenced':
      return fence(state, event.error);
    case 'refused':
      return end(state, 'refused', event.error);
    case 'assignment':
    case 'renewed':
    case 'gave-up':
    case 'ended':
    case 'ticked':
      return [state, []];
  }
}

type Member = Extract<MembershipState, Joined>;

function asMember(state: Member, event: MembershipEvent): Stepped {
  switch (event.kind) {
    case 'opened':
      return [state, [{ kind: 'hello', ...resumption(state) }]];
    case 'welcome': {
      // It renews nothing: an owner that was overtaken may have said it. But it may shorten the session.
      const { sessionTimeoutMs, saidAt } = event;
      return [{ ...state, sessionTimeoutMs, endsAt: Math.min(state.endsAt, saidAt + sessionTimeoutMs) }, []];
    }
    case 'renewed':
      return [{ ...state, endsAt: Math.max(state.endsAt, event.saidAt + state.sessionTimeoutMs) }, []];
    case 'assignment':
      return onAssignment(state, event);
    case 'gave-up':
      return onGaveUp(state, event.partitions);
    case 'leave':
      return leave(state.endsAt, { ...resumption(state), owned: [] }, event.comingBack);
    case 'fenced':
      return fence(state, event.error);
    case 'refused':
      return end(state, 'refused', event.error);
    case 'ticked':
    case 'ended':
      return [state, []];
  }
}

function onAssignment(
  state: Member,
  { number, epoch, assigned: told }: Extract<MembershipEvent, { kind: 'assignment' }>,
): Stepped {
  if (state.applied !== undefined && number < state.applied) return [state, []];
  const assigned = new Map(told.map((granted) => [granted.key, granted]));
  const added = told.filter(({ key }) => !state.owned.has(key));
  const revoked = [...state.owned.keys()].filter((key) => !assigned.has(key) && !state.givingUp.has(key));
  const next = {
    ...state,
    epoch,
    applied: number,
    assigned,
    owned: new Map([
      ...state.owned,
      ...added.map(({ key, topicId, partition }) => [key, { key, topicId, partition }] as const),
    ]),
    givingUp: new Set([...state.givingUp, ...revoked]),
  };
  const effects: MembershipEffect[] = [];
  if (added.length > 0) effects.push({ kind: 'take', partitions: added });
  if (revoked.length > 0) effects.push({ kind: 'give-up', partitions: revoked });
  return settled(next, effects);
}

function onGaveUp(state: Member, partitions: readonly PartitionKey[]): Stepped {
  const gone = new Set(partitions.filter((key) => state.givingUp.has(key)));
  if (gone.size === 0) return [state, []];
  const owned = new Map([...state.owned].filter(([key]) => !gone.has(key)));
  const givingUp = new Set([...state.givingUp].filter((key) => !gone.has(key)));
  // It may have been given back before it was given up.
  const again = [...state.assigned.values()].filter(({ key }) => gone.has(key));
  for (const { key, topicId, partition } of again) owned.set(key, { key, topicId, partition });
  return settled({ ...state, owned, givingUp }, again.length > 0 ? [{ kind: 'take', partitions: again }] : []);
}

/** An assignment is acknowledged when all that it took away is given up: the coordinator gives it to others then. */
function settled(state: Joined, effects: readonly MembershipEffect[]): Stepped {
  const { applied, givingUp, owned } = state;
  if (givingUp.size > 0) return [{ ...state, kind: 'giving-up' }, effects];
  const ack = { kind: 'ack', assignment: applied ?? 0n, owned: [...owned.values()] } as const;
  return [{ ...state, kind: 'member' }, [...effects, ack]];
}

function whileLeaving(state: Extract<MembershipState, { kind: 'leaving' }>, event: MembershipEvent): Stepped {
  const { comingBack, last } = state;
  if (event.kind === 'opened')
    return [
      state,
      [
        { kind: 'hello', ...last },
        { kind: 'leave', comingBack },
      ],
    ];
  const isGone = event.kind === 'ended' || event.kind === 'fenced' || event.kind === 'refused';
  return isGone ? [{ kind: 'over', why: 'left', error: undefined }, []] : [state, []];
}

const leave = (endsAt: Millis | undefined, last: Resumption, comingBack: boolean): Stepped => [
  { kind: 'leaving', comingBack, endsAt, last },
  [{ kind: 'leave', comingBack }],
];

/** Whoever has its instance id is the member from now on. Any other fence can be cured by another member id. */
const fence = (state: MembershipState, error: MoldauError): Stepped =>
  end(state, error.reason === 'FENCED_INSTANCE' ? 'refused' : 'lost', error);

function end(state: MembershipState, why: 'lost' | 'refused', error: MoldauError | undefined): Stepped {
  if (state.kind === 'leaving') return [{ kind: 'over', why: 'left', error: undefined }, []];
  const partitions = 'owned' in state ? [...state.owned.keys()] : [];
  return [{ kind: 'over', why, error }, partitions.length > 0 ? [{ kind: 'lose', partitions, error }] : []];
}

const resumption = ({ epoch, applied, owned }: Joined): Resumption => ({
  lastMemberEpoch: epoch,
  lastAssignment: applied,
  owned: [...owned.values()],
});

const nothing: Resumption = { lastMemberEpoch: undefined, lastAssignment: undefined, owned: [] };

const empty = {
  epoch: undefined,
  applied: undefined,
  assigned: new Map<PartitionKey, Granted>(),
  owned: new Map<PartitionKey, NamedPartition>(),
  givingUp: new Set<PartitionKey>(),
};
