import { assert, type LeaderEpoch, type Millis, type NodeEpoch, type NodeId, type Offset } from '@moldau/kernel';
import type { IsrMember } from '@moldau/metadata';
import { type CopyEnds, type LogView, type Match, matchCopy } from './epochs.ts';
import { FollowerProgress } from './follower-progress.ts';
import { type CommittedState, MaximalIsr } from './maximal-isr.ts';

/** A follower wants to follow. Its epoch is on its disk, and all that it has is synced. */
export interface Hello extends CopyEnds {
  readonly session: number;
  readonly node: NodeId;
  readonly nodeEpoch: NodeEpoch;
  readonly epoch: LeaderEpoch;
  /** `doubtful`: something that it has acknowledged may be missing. `lost`: the copy begins anew. */
  readonly copy: 'whole' | 'doubtful' | 'lost';
}

/** What became of a proposal. */
export type IsrDecision =
  | { readonly kind: 'committed'; readonly partitionEpoch: bigint }
  | { readonly kind: 'ineligible' | 'stale' | 'fenced' | 'unknown' };

export type LeaderEvent =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | {
      readonly kind: 'ready';
      readonly node: NodeId;
      readonly session: number;
      readonly durableEnd: Offset;
      readonly lastEpoch: LeaderEpoch;
    }
  | {
      readonly kind: 'acked';
      readonly node: NodeId;
      readonly session: number;
      readonly durableEnd: Offset;
      readonly logStart: Offset;
    }
  /** The session ended: its stream broke, or the follower left it. */
  | { readonly kind: 'left'; readonly node: NodeId; readonly session: number }
  /** The follower has left its session, for it has no space for more. */
  | { readonly kind: 'full'; readonly node: NodeId; readonly session: number }
  /** The own log has grown, or more of it is durable. */
  | { readonly kind: 'log-moved' }
  /** A state of the store, for this leader epoch. */
  | { readonly kind: 'state'; readonly state: CommittedState }
  /** `on`: the partition epoch that the proposal was made on. */
  | { readonly kind: 'isr-decided'; readonly on: bigint; readonly decision: IsrDecision }
  | { readonly kind: 'tick' };

export type RefusalReason = 'fenced' | 'unknown-epoch' | 'stale-node' | 'not-replica' | 'busy' | 'protocol';

export type LeaderEffect =
  | { readonly kind: 'refuse'; readonly session: number; readonly reason: RefusalReason }
  | { readonly kind: 'welcome'; readonly session: number; readonly match: Match }
  | { readonly kind: 'push'; readonly session: number; readonly from: Offset }
  | { readonly kind: 'commit'; readonly highWatermark: Offset }
  | {
      readonly kind: 'propose';
      readonly isr: readonly IsrMember[];
      readonly unfit: readonly NodeId[];
      readonly partitionEpoch: bigint;
    }
  | { readonly kind: 'resign'; readonly why: ResignationReason };

/** `alone`: nobody follows who is in sync and alive, and without them nothing can be committed. */
export type ResignationReason = 'newer-epoch' | 'fenced' | 'slow-disk' | 'alone';

export interface LeaderOptions {
  readonly me: IsrMember;
  readonly epoch: LeaderEpoch;
  /** Where this epoch begins in the log. */
  readonly epochStart: Offset;
  readonly lagMaxMs: Millis;
  /** After this time whoever is dead is in no ISR any more: the coordinator sees to that. */
  readonly sessionTimeoutMs: Millis;
  /** False: it has resigned not long ago for a slow disk, or because it was alone, and others may have done no better. */
  readonly mayGiveWay: boolean;
}

/** A sync that takes longer than this, while others sync, is a reason to resign. */
const slowSyncMs = 2_000;
/** After a proposal that was not committed. */
const proposeAgainMs = 500;

/**
 * The leader of one partition in one epoch: who follows, what is committed, who is in sync. SPEC.md says why. Mutable, for it
 * sees every ack; synchronous, and all that it does are the effects that it returns.
 */
export class LeaderMachine {
  readonly epoch: LeaderEpoch;
  readonly epochStart: Offset;
  readonly #me: IsrMember;
  readonly #log: LogView;
  /** A follower that has not acknowledged for this long what the leader held leaves the in-sync replicas. */
  lagMaxMs: Millis;
  readonly #isr: MaximalIsr;
  readonly #followers = new Map<NodeId, FollowerProgress>();
  /** When a replica without a session was last caught up. */
  readonly #lastCaughtUp = new Map<NodeId, Millis>();
  /** Of the newest start that has spoken. */
  readonly #nodeEpochs = new Map<NodeId, NodeEpoch>();
  /** Have lost data, and are still in the ISR or the ELR. */
  readonly #unfit = new Set<NodeId>();
  readonly #startedAt: Millis;
  readonly #sessionTimeoutMs: Millis;
  readonly #mayGiveWay: boolean;
  #syncPendingSince: Millis | undefined;
  #seenDurableEnd: Offset;
  /** What was called committed last: the log may still learn it. */
  #calledCommitted: Offset;
  #proposeNotBefore: Millis = 0;
  /** Who was to join when the store refused that, in the order of their turns. It does not say which of them was why. */
  readonly #refused = new Set<NodeId>();
  #resigned = false;

  constructor(log: LogView, state: CommittedState, options: LeaderOptions, now: Millis) {
    this.#log = log;
    this.#me = options.me;
    this.epoch = options.epoch;
    this.epochStart = options.epochStart;
    this.lagMaxMs = options.lagMaxMs;
    this.#sessionTimeoutMs = options.sessionTimeoutMs;
    this.#mayGiveWay = options.mayGiveWay;
    this.#isr = new MaximalIsr(state);
    this.#startedAt = now;
    this.#seenDurableEnd = log.durableEnd;
    this.#calledCommitted = log.highWatermark;
    for (const { node, epoch } of state.isr) this.#nodeEpochs.set(node, epoch);
  }

  /** What the store is known to say. */
  get committed(): CommittedState {
    return this.#isr.committed;
  }

  /** Whether an append that needs the ISR may be taken: else it could not be committed. */
  get hasEnoughReplicas(): boolean {
    return this.committed.isr.length >= this.committed.minIsr;
  }

  /** Every node that may be in sync. */
  get maximalIsr(): ReadonlySet<NodeId> {
    return this.#isr.nodes();
  }

  /** The smallest log start of the others that may be elected: what all of them have removed. */
  get othersLogStart(): Offset | undefined {
    let least: Offset | undefined;
    for (const node of new Set([...this.#isr.nodes(), ...this.committed.elr])) {
      if (node === this.#me.node) continue;
      const start = this.#followers.get(node)?.logStart ?? (0n as Offset);
      if (least === undefined || start < least) least = start;
    }
    return least;
  }

  step(event: LeaderEvent, now: Millis): LeaderEffect[] {
    if (this.#resigned) return [];
    switch (event.kind) {
      case 'hello':
        return this.#onHello(event.hello, now);
      case 'ready':
        return this.#onReady(event, now);
      case 'acked':
        return this.#onAcked(event, now);
      case 'left':
        return this.#onLeft(event);
      case 'full':
        return this.#onFull(event, now);
      case 'log-moved':
        return this.#onLogMoved(now);
      case 'state':
        return this.#onState(event.state, now);
      case 'isr-decided':
        return this.#onDecided(event, now);
      case 'tick':
        return this.#onTick(now);
    }
  }

  #onHello(hello: Hello, now: Millis): LeaderEffect[] {
    const { session, node, nodeEpoch, epoch, copy } = hello;
    if (epoch > this.epoch) return [refuse(session, 'unknown-epoch'), ...this.#resign('newer-epoch')];
    if (epoch < this.epoch) return [refuse(session, 'fenced')];
    if (node === this.#me.node || !this.committed.replicas.includes(node)) return [refuse(session, 'not-replica')];
    const known = this.#nodeEpochs.get(node);
    if (known !== undefined && nodeEpoch < known) return [refuse(session, 'stale-node')];
    this.#nodeEpochs.set(node, nodeEpoch);
    const ended = this.#end(node);
    const found = matchCopy(hello, this.#log);
    const match: Match = copy === 'lost' ? { kind: 'reset', to: this.#log.logStart } : found;
    const end = match.kind === 'truncate' ? match.to : hello.durableEnd;
    const isShort = match.kind === 'reset' || end < this.#highWatermark;
    const hasLost = isShort || copy !== 'whole' || this.#unfit.has(node);
    if (hasLost && this.#counts(node)) {
      this.#unfit.add(node);
      return [...ended, refuse(session, 'busy'), ...this.#propose(now)];
    }
    this.#unfit.delete(node);
    const caughtUpAt = this.#lastCaughtUp.get(node) ?? this.#startedAt;
    this.#followers.set(node, new FollowerProgress(session, nodeEpoch, caughtUpAt, this.#log.writtenEnd, now));
    return [...ended, { kind: 'welcome', session, match }];
  }

  #onReady({ node, session, durableEnd, lastEpoch }: LeaderEvent & { kind: 'ready' }, now: Millis): LeaderEffect[] {
    const follower = this.#followers.get(node);
    if (follower?.session !== session || follower.isReady) return [];
    const { logStart, writtenEnd } = this.#log;
    const isWithin = durableEnd >= logStart && durableEnd <= writtenEnd;
    const isEmpty = durableEnd === logStart;
    if (!isWithin || (!isEmpty && this.#log.epochOf((durableEnd - 1n) as Offset) !== lastEpoch)) {
      this.#forget(node);
      return [refuse(session, 'protocol')];
    }
    if (durableEnd < this.#highWatermark && this.#counts(node)) {
      this.#unfit.add(node);
      this.#forget(node);
      return [refuse(session, 'busy'), ...this.#propose(now)];
    }
    follower.ready(durableEnd, writtenEnd, now);
    return [{ kind: 'push', session, from: durableEnd }, ...this.#advance(), ...this.#propose(now)];
  }

  #onAcked({ node, session, durableEnd, logStart }: LeaderEvent & { kind: 'acked' }, now: Millis): LeaderEffect[] {
    const follower = this.#followers.get(node);
    if (follower?.session !== session || !follower.isReady) return [];
    if (durableEnd < follower.durableEnd || durableEnd > this.#log.writtenEnd) {
      this.#forget(node);
      return [refuse(session, 'protocol')];
    }
    follower.logStart = logStart;
    follower.acked(durableEnd, this.#log.writtenEnd, now);
    return [...this.#advance(), ...this.#propose(now)];
  }

  #onLeft({ node, session }: LeaderEvent & { kind: 'left' }): LeaderEffect[] {
    if (this.#followers.get(node)?.session === session) this.#forget(node);
    return [];
  }

  /** Nobody waits until it is late: it leaves the ISR now, and joins again when it has caught up. */
  #onFull({ node, session }: LeaderEvent & { kind: 'full' }, now: Millis): LeaderEffect[] {
    if (this.#followers.get(node)?.session !== session) return [];
    this.#forget(node);
    this.#lastCaughtUp.set(node, Number.NEGATIVE_INFINITY);
    return this.#propose(now);
  }

  #onLogMoved(now: Millis): LeaderEffect[] {
    const { writtenEnd, durableEnd } = this.#log;
    if (durableEnd > this.#seenDurableEnd) this.#syncPendingSince = undefined;
    this.#seenDurableEnd = durableEnd;
    if (durableEnd < writtenEnd) this.#syncPendingSince ??= now;
    return this.#advance();
  }

  #onState(state: CommittedState, now: Millis): LeaderEffect[] {
    const { isr: before } = this.committed;
    if (!this.#isr.adopt(state)) return [];
    this.#proposeNotBefore = 0;
    this.#countLagOfNewMembers(before, now);
    for (const { node, epoch } of state.isr) {
      const known = this.#nodeEpochs.get(node);
      if (known === undefined || epoch > known) this.#nodeEpochs.set(node, epoch);
    }
    return [...this.#refuseOthersThan(state.replicas), ...this.#advance(), ...this.#propose(now)];
  }

  #onDecided({ on, decision }: LeaderEvent & { kind: 'isr-decided' }, now: Millis): LeaderEffect[] {
    // A newer state is known: what was proposed on the older one is decided by that.
    if (this.#isr.proposed === undefined || on !== this.committed.partitionEpoch) return [];
    switch (decision.kind) {
      case 'committed': {
        // Not newer: the answer of a store that was restored. What it knows is for another state to say.
        if (decision.partitionEpoch <= on) return this.#onNotDecided(now);
        const { isr: before } = this.committed;
        this.#isr.commit(decision.partitionEpoch);
        this.#countLagOfNewMembers(before, now);
        return [...this.#advance(), ...this.#propose(now)];
      }
      case 'ineligible':
        this.#sendToTheBack(this.#isr.proposed);
        // An earlier one on this revision may still be carried out: this answer says nothing of that.
        this.#isr.revert();
        this.#proposeNotBefore = now + proposeAgainMs;
        return this.#advance();
      case 'stale':
      case 'unknown':
        return this.#onNotDecided(now);
      case 'fenced':
        this.#isr.doubt();
        return this.#resign('fenced');
    }
  }

  #onNotDecided(now: Millis): LeaderEffect[] {
    this.#isr.doubt();
    this.#proposeNotBefore = now + proposeAgainMs;
    return [];
  }

  /** Who joins behind the log's end has the time of any member to catch up: else it would leave at once, and join again. */
  #countLagOfNewMembers(before: readonly IsrMember[], now: Millis): void {
    for (const { node } of this.committed.isr) {
      this.#refused.delete(node);
      if (before.some((member) => member.node === node)) continue;
      this.#lastCaughtUp.set(node, now);
      this.#followers.get(node)?.countLagFrom(now);
    }
  }

  #onTick(now: Millis): LeaderEffect[] {
    for (const follower of this.#followers.values()) follower.look(this.#log.writtenEnd, now);
    if (this.#isDiskSlow(now)) return this.#resign('slow-disk');
    return [...this.#advance(), ...this.#propose(now)];
  }

  /** An own sync has taken too long, while a member of the ISR has synced since it began. */
  #isDiskSlow(now: Millis): boolean {
    const since = this.#syncPendingSince;
    if (!this.#mayGiveWay || since === undefined || now - since < slowSyncMs) return false;
    return this.committed.isr.some(({ node }) => {
      const follower = this.#followers.get(node);
      return follower?.ackedMoreAt !== undefined && follower.ackedMoreAt > since;
    });
  }

  /** I5: the smallest durable end over every member of the maximal ISR; whoever has not spoken in this epoch holds it. */
  #advance(): LeaderEffect[] {
    if (!this.hasEnoughReplicas) return [];
    let highWatermark = this.#log.durableEnd;
    for (const node of this.#isr.nodes()) {
      if (node === this.#me.node) continue;
      const follower = this.#followers.get(node);
      if (follower?.isReady !== true) return [];
      if (follower.durableEnd < highWatermark) highWatermark = follower.durableEnd;
    }
    // Below it lies what older leaders wrote: until all of that is everywhere, this leader doesn't know what they committed.
    if (highWatermark < this.epochStart) return [];
    if (highWatermark <= this.#highWatermark) return [];
    this.#calledCommitted = highWatermark;
    return [{ kind: 'commit', highWatermark }];
  }

  /** Counts at once, in the step that says it, too: whoever joins there must have it. */
  get #highWatermark(): Offset {
    const { highWatermark } = this.#log;
    return highWatermark > this.#calledCommitted ? highWatermark : this.#calledCommitted;
  }

  /** Asks for the ISR that there should be, unless a proposal is on its way. */
  #propose(now: Millis): LeaderEffect[] {
    if (this.#isr.proposed !== undefined || now < this.#proposeNotBefore) return [];
    const wanted = this.committed.replicas.flatMap((node) => this.#asMember(node, now) ?? []);
    const unfit = [...this.#unfit].filter((node) => this.#counts(node));
    // What else there is to change does not wait for those whom the store has refused: it is asked for without them.
    const isr = [this.#me, ...wanted.filter(({ node }) => !this.#refused.has(node))];
    if (isr.length === 1 && this.#isAlone()) return this.#resign('alone');
    if (this.#isChange(isr) || unfit.length > 0 || this.#isr.isDoubtful) return this.#ask(isr, unfit);
    const turn = [...this.#refused].find((node) => wanted.some((one) => one.node === node));
    if (turn === undefined) return [];
    return this.#ask([this.#me, ...wanted.filter(({ node }) => node === turn || !this.#refused.has(node))], unfit);
  }

  /**
   * All who are in sync besides have left, and not one of them has a session here. The dead have been taken out by now, so they
   * live, and do not reach this node: one of them may lead better. Not where this one goes on without them.
   */
  #isAlone(): boolean {
    const { isr, minIsr } = this.committed;
    const others = isr.filter(({ node }) => node !== this.#me.node);
    if (!this.#mayGiveWay || this.lagMaxMs <= this.#sessionTimeoutMs || minIsr === 1) return false;
    if (others.length === 0 || isr.length < minIsr) return false;
    return others.every(({ node }) => {
      const hasSpace = this.#lastCaughtUp.get(node) !== Number.NEGATIVE_INFINITY;
      return hasSpace && !this.#followers.has(node) && !this.#unfit.has(node);
    });
  }

  #ask(isr: readonly IsrMember[], unfit: readonly NodeId[]): LeaderEffect[] {
    this.#isr.propose(isr, new Set(unfit));
    return [{ kind: 'propose', isr, unfit, partitionEpoch: this.committed.partitionEpoch }];
  }

  #isChange(isr: readonly IsrMember[]): boolean {
    const { isr: committed } = this.committed;
    return isr.length !== committed.length || isr.some(({ node }) => !committed.some((one) => one.node === node));
  }

  #sendToTheBack(isr: readonly IsrMember[]): void {
    for (const { node } of isr) {
      if (this.committed.isr.some((member) => member.node === node)) continue;
      this.#refused.delete(node);
      this.#refused.add(node);
    }
  }

  /** The replica as a member of the ISR that there should be. `undefined`: it should not be in it. */
  #asMember(node: NodeId, now: Millis): IsrMember | undefined {
    if (node === this.#me.node || this.#unfit.has(node)) return undefined;
    const follower = this.#followers.get(node);
    const member = this.committed.isr.find((one) => one.node === node);
    if (member !== undefined) {
      const caughtUpAt = follower?.caughtUpAt ?? this.#lastCaughtUp.get(node) ?? this.#startedAt;
      return now - caughtUpAt > this.lagMaxMs ? undefined : member;
    }
    if (follower?.isReady !== true || now - follower.aliveAt > this.lagMaxMs) return undefined;
    return this.#mayJoin(follower) ? { node, epoch: follower.nodeEpoch } : undefined;
  }

  /** I12. What lies below the epoch's start may be committed without this leader's knowing: whoever joins must have it. */
  #mayJoin({ durableEnd }: FollowerProgress): boolean {
    return durableEnd >= this.#highWatermark && durableEnd >= this.epochStart;
  }

  /** In the ISR or the ELR, or about to be: the store may elect it. */
  #counts(node: NodeId): boolean {
    return this.#isr.nodes().has(node) || this.committed.elr.includes(node);
  }

  #forget(node: NodeId): void {
    const follower = this.#followers.get(node);
    if (follower === undefined) return;
    this.#lastCaughtUp.set(node, follower.caughtUpAt);
    this.#followers.delete(node);
  }

  /** A Hello began another session. Should it have been one of an older stream, and late, the follower relies on this one: it is told. */
  #end(node: NodeId): LeaderEffect[] {
    const follower = this.#followers.get(node);
    if (follower === undefined) return [];
    this.#forget(node);
    return [refuse(follower.session, 'protocol')];
  }

  /** They are told: one that becomes a replica again, in the same epoch, must begin another session. */
  #refuseOthersThan(replicas: readonly NodeId[]): LeaderEffect[] {
    const gone = [...this.#followers].filter(([node]) => !replicas.includes(node));
    return gone.map(([node, { session }]) => {
      this.#forget(node);
      return refuse(session, 'not-replica');
    });
  }

  #resign(why: ResignationReason): LeaderEffect[] {
    assert(!this.#resigned, 'a leader resigns once');
    this.#resigned = true;
    return [{ kind: 'resign', why }];
  }
}

const refuse = (session: number, reason: RefusalReason): LeaderEffect => ({ kind: 'refuse', session, reason });
