import { leaderEpoch, nodeEpoch, nodeId, offset } from '@moldau/kernel';
import { type CommittedState, type Hello, type LeaderEvent, LeaderMachine } from '../../src/index.ts';
import { ModelLog } from './model-log.ts';
import { numberOf, sayLeader } from './words.ts';

// a leads epoch 6, which began at 3, with x5 y5 z5 v6 w6; all is durable and 3 committed. b is what is looked at.
export const [a, b, c] = [nodeId(1), nodeId(2), nodeId(3)];
export const lagMaxMs = 10_000;
export const start = 1_000;
/** From here on b is late, unless it has spoken. */
export const late = start + lagMaxMs + 1;

export const state = (isr: string, minIsr: number, elr = '', partitionEpoch = 20n): CommittedState => ({
  partitionEpoch,
  replicas: [a, b, c],
  isr: [...isr].map((name) => ({ node: nodeId(numberOf(name)), epoch: nodeEpoch(10n) })),
  elr: [...elr].map((name) => nodeId(numberOf(name))),
  minIsr,
});

export const hello = (given: Partial<Hello> = {}): LeaderEvent => ({
  kind: 'hello',
  hello: {
    session: 2,
    node: b,
    nodeEpoch: nodeEpoch(10n),
    epoch: leaderEpoch(6),
    copy: 'whole',
    logStart: offset(0),
    durableEnd: offset(4),
    supersededEnd: offset(0),
    tombstoneEnd: offset(0),
    epochs: [
      { epoch: leaderEpoch(5), start: offset(0) },
      { epoch: leaderEpoch(6), start: offset(3) },
    ],
    ...given,
  },
});
export const ready = (durableEnd: number, lastEpoch = 6, session = 2): LeaderEvent => ({
  kind: 'ready',
  node: b,
  session,
  durableEnd: offset(durableEnd),
  lastEpoch: leaderEpoch(lastEpoch),
});
export const acked = (durableEnd: number, session = 2): LeaderEvent => ({
  kind: 'acked',
  node: b,
  session,
  durableEnd: offset(durableEnd),
  logStart: offset(0),
});
export const decided = (kind: 'ineligible' | 'stale' | 'fenced' | 'unknown', on = 20n): LeaderEvent => ({
  kind: 'isr-decided',
  on,
  decision: { kind },
});
export const committed = (partitionEpoch = 21n, on = 20n): LeaderEvent => ({
  kind: 'isr-decided',
  on,
  decision: { kind: 'committed', partitionEpoch },
});

export class World {
  readonly log = ModelLog.of('x5 y5 z5 v6 w6');
  readonly machine: LeaderMachine;
  readonly #learns: boolean;
  now = start;

  /** `learns: false`: its log never hears what the machine calls committed. */
  constructor(
    committedState: CommittedState,
    { learns = true, mayGiveWay = true, sessionTimeoutMs = lagMaxMs, appends = [] as string[] } = {},
  ) {
    this.log.commit(offset(3));
    for (const text of appends) this.log.append(ModelLog.of(text).from(0n));
    this.log.sync();
    this.#learns = learns;
    const options = { me: { node: a, epoch: nodeEpoch(10n) }, epoch: leaderEpoch(6), epochStart: offset(3) };
    this.machine = new LeaderMachine(
      this.log,
      committedState,
      { ...options, lagMaxMs, mayGiveWay, sessionTimeoutMs },
      start,
    );
  }

  /** The effects of the events, in words. */
  step(...events: readonly LeaderEvent[]): string {
    const effects = events.flatMap((event) => this.machine.step(event, this.now));
    for (const effect of effects) if (effect.kind === 'commit' && this.#learns) this.log.commit(effect.highWatermark);
    return effects.map(sayLeader).join(', ') || '-';
  }

  after(...events: readonly LeaderEvent[]): this {
    this.step(...events);
    return this;
  }

  at(now: number): this {
    this.now = now;
    return this;
  }
}
