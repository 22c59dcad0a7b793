import { leaderEpoch, type NodeEpoch, type NodeId, type Offset, offset } from '@moldau/kernel';
import type {
  FollowerEffect,
  FollowerEvent,
  FollowerMachine,
  Hello,
  IsrDecision,
  LeaderEffect,
  LeaderEvent,
  LeaderMachine,
  Piece,
} from '../../src/index.ts';
import { ModelLog, type ModelRecord } from './model-log.ts';
import type { IsrRequest, StoredState } from './model-store.ts';
import { nameOf, sayFollower, sayLeader } from './words.ts';

export interface Machines {
  readonly LeaderMachine: typeof LeaderMachine;
  readonly FollowerMachine: typeof FollowerMachine;
}

export type ToLeader =
  | (LeaderEvent & { kind: 'hello' | 'ready' | 'acked' | 'left' | 'full' })
  | { readonly kind: 'end' };

/** One connection from a follower. Each direction keeps its order; what is on two of them has none. */
export interface Stream {
  readonly number: number;
  readonly follower: ModelNode;
  readonly leader: ModelNode;
  readonly leaderStart: NodeEpoch;
  /** Messages on their way. The leader learns of an end by a message like any other, or never. */
  readonly toLeader: ToLeader[];
  readonly toFollower: FollowerEvent[];
}

/** What a node needs of the world around it. */
export interface World {
  readonly machines: Machines;
  readonly now: number;
  newSession(): number;
  open(follower: ModelNode, leader: NodeId): Stream;
  ask(from: ModelNode, machine: LeaderMachine, request: IsrRequest): void;
  say(line: string): void;
  /** A leader has called this committed. */
  committed(node: ModelNode): void;
  startsToLead(node: ModelNode): void;
  resigned(node: ModelNode, machine: LeaderMachine): void;
}

interface Session {
  readonly stream: Stream;
  /** `undefined`: nothing is pushed yet. */
  next: Offset | undefined;
}

const lagMaxMs = 10_000;
const encode = (records: readonly ModelRecord[]): Uint8Array => new TextEncoder().encode(JSON.stringify(records));
const decode = (batches: Uint8Array): ModelRecord[] => JSON.parse(new TextDecoder().decode(batches)) as ModelRecord[];

/** A storage node with its copy of the partition: the plainest drivers that carry out what the machines say. */
export class ModelNode {
  readonly id: NodeId;
  readonly name: string;
  readonly log = new ModelLog();
  readonly #world: World;
  isUp = true;
  start: NodeEpoch;
  /** What the copy is worth; a copy that is doubtful or lost stays so until its leader has taken it out, and over. */
  copy: Hello['copy'] = 'whole';
  leading: LeaderMachine | undefined;
  following: FollowerMachine | undefined;
  /** The stream that it has opened. */
  stream: Stream | undefined;
  /** A truncation or a reset that is to be done. */
  cut: (FollowerEffect & { kind: 'truncate' | 'reset' }) | undefined;
  /** Of the last epoch in which its copy was a part of its leader's log. */
  agreedEpoch = leaderEpoch(0);
  /** How often its copy has begun anew. */
  resets = 0;
  #known = 0n;
  #wantsAt = 0;
  readonly #sessions = new Map<number, Session>();

  constructor(id: NodeId, start: NodeEpoch, world: World) {
    this.id = id;
    this.name = nameOf(id);
    this.start = start;
    this.#world = world;
  }

  /** Hears a state of the store. Older ones than known say nothing. */
  hear(state: StoredState): void {
    if (!this.isUp || state.partitionEpoch <= this.#known) return;
    this.#known = state.partitionEpoch;
    const leads = state.leader === this.id && state.leaderNodeEpoch === this.start;
    if (this.leading !== undefined && leads && this.leading.epoch === state.leaderEpoch) {
      this.#lead({ kind: 'state', state });
      return;
    }
    if (this.leading !== undefined && (state.leader !== this.id || leads)) this.#stopLeading();
    if (leads) this.#startToLead(state);
    if (state.leader === undefined || state.leader === this.id || !state.replicas.includes(this.id)) return;
    this.following ??= new this.#world.machines.FollowerMachine(this.log);
    const { leader, leaderEpoch: epoch, lastUncleanEpoch } = state;
    this.#follow({ kind: 'follow', following: { leader, epoch, lastUncleanEpoch } });
  }

  get wantsStream(): boolean {
    return this.isUp && this.following?.state.kind === 'waiting' && this.#world.now >= this.#wantsAt;
  }

  connect(): void {
    const state = this.following?.state;
    if (!this.wantsStream || state?.kind !== 'waiting') return;
    if (this.stream?.leader.id !== state.following.leader) {
      this.disconnect();
      this.stream = this.#world.open(this, state.following.leader);
    }
    this.#follow({ kind: 'open', session: this.#world.newSession() });
  }

  /** The stream breaks, as this end sees it. */
  disconnect(): void {
    const { stream } = this;
    if (stream === undefined) return;
    this.stream = undefined;
    stream.toLeader.push({ kind: 'end' });
    const state = this.following?.state;
    const session = state !== undefined && 'session' in state ? state.session : undefined;
    if (session !== undefined) this.#follow({ kind: 'closed', session });
  }

  /** A message of the leader. */
  receive(stream: Stream, event: FollowerEvent): void {
    if (this.isUp && this.stream === stream) this.#follow(event);
  }

  /** A message of a follower. */
  listen(stream: Stream, message: ToLeader): void {
    if (!this.isUp || this.start !== stream.leaderStart) return;
    if (message.kind === 'end') {
      for (const [session, { stream: one }] of [...this.#sessions]) {
        if (one === stream) this.#lead({ kind: 'left', node: stream.follower.id, session });
      }
      return;
    }
    if (message.kind === 'hello') {
      const { session } = message.hello;
      if (this.leading === undefined) {
        stream.toFollower.push({ kind: 'refused', session, reason: 'not-leader' });
        return;
      }
      this.#sessions.set(session, { stream, next: undefined });
    }
    this.#lead(message);
  }

  produce(value: string): void {
    const { leading } = this;
    if (!this.isUp || leading === undefined) return;
    this.log.append([{ epoch: leading.epoch, value }]);
    this.#lead({ kind: 'log-moved' });
  }

  /** A round of fdatasync. */
  sync(): void {
    if (!this.isUp || this.log.durableEnd === this.log.writtenEnd) return;
    this.log.sync();
    this.#lead({ kind: 'log-moved' });
    this.#follow({ kind: 'synced' });
  }

  tick(): void {
    if (this.isUp) this.#lead({ kind: 'tick' });
  }

  trim(to: Offset): void {
    if (!this.isUp || this.leading === undefined) return;
    this.log.trim(to < this.log.highWatermark ? to : this.log.highWatermark);
    this.#beat();
  }

  carryOutCut(): void {
    const { cut } = this;
    if (!this.isUp || cut === undefined) return;
    this.cut = undefined;
    if (cut.kind === 'truncate') this.log.truncate(cut.to);
    else {
      this.log.reset(cut.to, cut.covering);
      this.resets += 1;
    }
    this.#follow({ kind: 'cut', done: true });
  }

  decided(machine: LeaderMachine, on: bigint, decision: IsrDecision): void {
    if (this.isUp && this.leading === machine) this.#lead({ kind: 'isr-decided', on, decision });
  }

  /** `lost`: so many durable records go, too; all of them when it is `all`. */
  kill(lost: number | 'all' = 0): void {
    if (!this.isUp) return;
    this.disconnect();
    this.isUp = false;
    this.leading = undefined;
    this.following = undefined;
    this.cut = undefined;
    this.#sessions.clear();
    this.#known = 0n;
    if (lost === 'all') {
      this.log.reset(offset(0), undefined);
      this.copy = 'lost';
      return;
    }
    if (lost > 0 && this.copy === 'whole') this.copy = 'doubtful';
    this.log.crash(lost);
  }

  /** Its copy is found damaged while it runs. */
  damage(): void {
    this.copy = 'lost';
    this.log.isCorrupt = true;
    this.#follow({ kind: 'damaged' });
  }

  run(start: NodeEpoch): void {
    this.isUp = true;
    this.start = start;
  }

  #startToLead(state: StoredState): void {
    this.disconnect();
    this.following = undefined;
    this.cut = undefined;
    this.log.sync();
    this.log.note({ epoch: state.leaderEpoch, start: this.log.writtenEnd });
    this.agreedEpoch = state.leaderEpoch;
    const options = {
      me: { node: this.id, epoch: this.start },
      epoch: state.leaderEpoch,
      epochStart: this.log.writtenEnd,
      lagMaxMs,
      mayGiveWay: true,
      sessionTimeoutMs: Number.POSITIVE_INFINITY,
    };
    this.leading = new this.#world.machines.LeaderMachine(this.log, state, options, this.#world.now);
    this.#world.say(`${this.name}: leads ${state.leaderEpoch} from ${this.log.writtenEnd}`);
    this.#world.startsToLead(this);
  }

  #stopLeading(): void {
    this.leading = undefined;
    for (const [session, { stream }] of this.#sessions) {
      stream.toFollower.push({ kind: 'refused', session, reason: 'not-leader' });
    }
    this.#sessions.clear();
  }

  #lead(event: LeaderEvent): void {
    const machine = this.leading;
    if (machine === undefined) return;
    for (const effect of machine.step(event, this.#world.now)) this.#carryOutLeading(machine, effect);
    this.#pump();
  }

  #carryOutLeading(machine: LeaderMachine, effect: LeaderEffect): void {
    const isQuiet = effect.kind === 'push' || (effect.kind === 'welcome' && effect.match.kind === 'whole');
    if (!isQuiet) this.#world.say(`${this.name}: ${sayLeader(effect)}`);
    switch (effect.kind) {
      case 'refuse':
        this.#reply(effect.session, { kind: 'refused', session: effect.session, reason: effect.reason });
        this.#sessions.delete(effect.session);
        return;
      case 'welcome':
        return this.#welcome(machine, effect);
      case 'push': {
        const session = this.#sessions.get(effect.session);
        if (session !== undefined) session.next = effect.from;
        return;
      }
      case 'commit':
        this.log.commit(effect.highWatermark);
        this.#world.committed(this);
        return this.#beat();
      case 'propose': {
        const { isr, unfit, partitionEpoch } = effect;
        const leader = { node: this.id, epoch: this.start };
        return this.#world.ask(this, machine, { leader, leaderEpoch: machine.epoch, partitionEpoch, isr, unfit });
      }
      case 'resign':
        this.#stopLeading();
        return this.#world.resigned(this, machine);
    }
  }

  #welcome(machine: LeaderMachine, { session, match }: LeaderEffect & { kind: 'welcome' }): void {
    const covering = match.kind === 'reset' ? this.log.epochs.findLast(({ start }) => start <= match.to) : undefined;
    this.#reply(session, {
      kind: 'welcome',
      session,
      epoch: machine.epoch,
      truncateTo: match.kind === 'truncate' ? match.to : undefined,
      reset:
        match.kind === 'reset'
          ? { to: match.to, covering, token: undefined, tombstoneEnd: this.log.tombstoneEnd }
          : undefined,
    });
  }

  #reply(session: number, event: FollowerEvent): void {
    this.#sessions.get(session)?.stream.toFollower.push(event);
  }

  /** Sends what was written, durable or not. */
  #pump(): void {
    const { leading } = this;
    if (leading === undefined) return;
    const { writtenEnd, highWatermark, logStart, tombstoneEnd } = this.log;
    for (const [session, open] of this.#sessions) {
      const from = open.next;
      if (from === undefined || from >= writtenEnd) continue;
      const piece: Piece = {
        epoch: leading.epoch,
        from,
        previousEpoch: this.log.epochOf(offset(from === 0n ? 0n : from - 1n)) ?? leaderEpoch(0),
        epochs: this.log.epochs.filter(({ start }) => start >= from && start < writtenEnd),
        batches: encode(this.log.from(from)),
        highWatermark,
        logStart,
        tombstoneEnd,
      };
      open.next = writtenEnd;
      open.stream.toFollower.push({ kind: 'data', session, piece });
    }
  }

  #beat(): void {
    const { highWatermark, logStart } = this.log;
    const { leading } = this;
    for (const [session, { stream, next }] of this.#sessions) {
      if (next === undefined || leading === undefined) continue;
      stream.toFollower.push({ kind: 'beat', session, epoch: leading.epoch, highWatermark, logStart });
    }
  }

  #follow(event: FollowerEvent): void {
    const machine = this.following;
    if (machine === undefined) return;
    for (const effect of machine.step(event)) {
      // An effect may have ended what the next one belongs to.
      if (this.following === machine) this.#carryOutFollowing(effect);
    }
  }

  #carryOutFollowing(effect: FollowerEffect): void {
    const isLoud =
      ['truncate', 'reset', 'halt'].includes(effect.kind) || (effect.kind === 'nack' && effect.reason !== 'left');
    if (isLoud) this.#world.say(`${this.name}: ${sayFollower(effect)}`);
    switch (effect.kind) {
      case 'prepare':
        this.log.sync();
        this.log.checkpoint();
        return this.#follow({ kind: 'prepared', epoch: effect.epoch });
      case 'want':
        this.#wantsAt = this.#world.now + effect.afterMs;
        return;
      case 'hello':
        return this.#hello(effect);
      case 'truncate':
      case 'reset':
        this.cut = effect;
        return;
      case 'ready':
        this.agreedEpoch = effect.epoch;
        this.copy = 'whole';
        return this.#ready(effect.session);
      case 'append':
        return this.#append(effect.piece);
      case 'ack': {
        const { session, durableEnd } = effect;
        return this.#send({ kind: 'acked', node: this.id, session, durableEnd, logStart: this.log.logStart });
      }
      case 'nack':
        return this.#send({
          kind: effect.reason === 'disk-full' ? 'full' : 'left',
          node: this.id,
          session: effect.session,
        });
      case 'learn':
        return this.log.learn(effect.highWatermark, effect.logStart);
      case 'halt':
        return;
    }
  }

  #ready(session: number): void {
    const { durableEnd, lastEpoch } = this.log;
    this.#send({ kind: 'ready', node: this.id, session, durableEnd, lastEpoch });
  }

  #hello({ session, epoch }: FollowerEffect & { kind: 'hello' }): void {
    const { logStart, durableEnd, epochs, supersededEnd, tombstoneEnd } = this.log;
    const hello = {
      session,
      node: this.id,
      nodeEpoch: this.start,
      epoch,
      copy: this.copy,
      logStart,
      durableEnd,
      supersededEnd,
      tombstoneEnd,
      epochs,
    };
    this.#send({ kind: 'hello', hello });
  }

  #append({ from, previousEpoch, epochs, batches, logStart }: Piece): void {
    const { log } = this;
    if (from !== log.writtenEnd) return this.#follow({ kind: 'mismatch', reason: 'gap' });
    const last = from === 0n ? undefined : log.epochOf(offset(from - 1n));
    if (from !== logStart && last !== previousEpoch) return this.#follow({ kind: 'mismatch', reason: 'epoch' });
    if (!log.copy(decode(batches), epochs)) this.#follow({ kind: 'mismatch', reason: 'corrupt' });
  }

  #send(message: ToLeader): void {
    this.stream?.toLeader.push(message);
  }
}
