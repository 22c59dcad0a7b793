import type { LeaderEpoch, Millis, NodeId, Offset } from '@moldau/kernel';
import type { EpochStart, LogView } from './epochs.ts';
import type { RefusalReason } from './leader.ts';

/** The log of a follower. */
export interface CopyView extends LogView {
  /** The epoch of its last record. */
  readonly lastEpoch: LeaderEpoch;
  /** It was found damaged, and has not been reset since. */
  readonly isCorrupt: boolean;
}

/** Whom to follow. */
export interface Following {
  readonly leader: NodeId;
  readonly epoch: LeaderEpoch;
  /** The last epoch whose leader may have lacked committed data; 0: none. */
  readonly lastUncleanEpoch: LeaderEpoch;
}

/** A piece of the leader's log. */
export interface Piece {
  readonly epoch: LeaderEpoch;
  readonly from: Offset;
  readonly previousEpoch: LeaderEpoch;
  readonly epochs: readonly EpochStart[];
  readonly batches: Uint8Array;
  readonly highWatermark: Offset;
  readonly logStart: Offset;
  /** Tombstones below may be missing from it. */
  readonly tombstoneEnd: Offset;
}

/** Where a copy begins anew, and what it takes over from its leader that its records will not say. */
export interface Reset {
  readonly to: Offset;
  /** The leader's epoch that `to` falls into. */
  readonly covering: EpochStart | undefined;
  /** The fencing token that a record below `to` has raised. */
  readonly token: bigint | undefined;
  /** Tombstones below are gone from its log. */
  readonly tombstoneEnd: Offset;
}

/** Why a piece was not taken. */
export type Mismatch = 'gap' | 'epoch' | 'corrupt' | 'disk-full';

export type FollowerEvent =
  /** An assignment that is newer than the last one. */
  | { readonly kind: 'follow'; readonly following: Following }
  /** The epoch is on the disk, and everything in the log is synced. */
  | { readonly kind: 'prepared'; readonly epoch: LeaderEpoch }
  /** That was not possible now. */
  | { readonly kind: 'unprepared'; readonly epoch: LeaderEpoch }
  /** There is a stream to the leader, and the pause is over: the session of this number may begin. */
  | { readonly kind: 'open'; readonly session: number }
  /** The stream is gone. */
  | { readonly kind: 'closed'; readonly session: number }
  | {
      readonly kind: 'welcome';
      readonly session: number;
      readonly epoch: LeaderEpoch;
      readonly truncateTo: Offset | undefined;
      readonly reset: Reset | undefined;
    }
  | { readonly kind: 'refused'; readonly session: number; readonly reason: RefusalReason | 'not-leader' }
  /** The truncation or the reset is done, durably; or it failed, and the copy is as it was. */
  | { readonly kind: 'cut'; readonly done: boolean }
  | { readonly kind: 'data'; readonly session: number; readonly piece: Piece }
  | {
      readonly kind: 'beat';
      readonly session: number;
      readonly epoch: LeaderEpoch;
      readonly highWatermark: Offset;
      readonly logStart: Offset;
    }
  /** The log did not take the piece that came last, or lost what it took: a write failed. */
  | { readonly kind: 'mismatch'; readonly reason: Mismatch }
  /** More of the log is durable. */
  | { readonly kind: 'synced' }
  /** The copy was found damaged: it begins anew. */
  | { readonly kind: 'damaged' };

export type FollowerEffect =
  | { readonly kind: 'prepare'; readonly epoch: LeaderEpoch }
  /** To be answered by `open`, when there is a stream and this time has passed. */
  | { readonly kind: 'want'; readonly afterMs: Millis }
  | { readonly kind: 'hello'; readonly session: number; readonly epoch: LeaderEpoch }
  | { readonly kind: 'truncate'; readonly to: Offset }
  | ({ readonly kind: 'reset' } & Reset)
  | { readonly kind: 'ready'; readonly session: number; readonly epoch: LeaderEpoch }
  | { readonly kind: 'append'; readonly piece: Piece }
  | { readonly kind: 'ack'; readonly session: number; readonly epoch: LeaderEpoch; readonly durableEnd: Offset }
  | { readonly kind: 'nack'; readonly session: number; readonly reason: Mismatch | 'left' }
  | { readonly kind: 'learn'; readonly highWatermark: Offset; readonly logStart: Offset }
  /** The leader's log lacks what is committed here: this copy is not cut, and serves nobody as a follower. */
  | { readonly kind: 'halt'; readonly at: Offset };

export type FollowerState =
  | { readonly kind: 'idle' }
  /** The epoch goes to disk, and the tail with it. */
  | { readonly kind: 'preparing'; readonly following: Following }
  /** For a stream, or for a pause to pass. */
  | { readonly kind: 'waiting'; readonly following: Following }
  | { readonly kind: 'greeting'; readonly following: Following; readonly session: number }
  /** `session` undefined: it has ended meanwhile. `next`: whom to follow when the cut is done. */
  | {
      readonly kind: 'cutting';
      readonly following: Following;
      readonly session: number | undefined;
      readonly next: Following | undefined;
    }
  | {
      readonly kind: 'following';
      readonly following: Following;
      readonly session: number;
      /** What the leader has said last. */
      readonly heard: { readonly highWatermark: Offset; readonly logStart: Offset } | undefined;
    }
  | { readonly kind: 'halted'; readonly following: Following };

const pauses: Readonly<Record<RefusalReason | 'not-leader', Millis>> = {
  fenced: 250,
  'unknown-epoch': 100,
  'not-leader': 100,
  'stale-node': 1_000,
  'not-replica': 500,
  busy: 100,
  protocol: 250,
};
const afterMismatchMs = 100;
const afterFullDiskMs = 1_000;

/**
 * One follower of one partition. Its copy is cut only where its leader of the current epoch says so, and grows only by pieces
 * that fit exactly. SPEC.md says why.
 */
export class FollowerMachine {
  readonly #log: CopyView;
  #state: FollowerState = { kind: 'idle' };

  constructor(log: CopyView) {
    this.#log = log;
  }

  get state(): FollowerState {
    return this.#state;
  }

  step(event: FollowerEvent): FollowerEffect[] {
    switch (event.kind) {
      case 'follow':
        return this.#onFollow(event.following);
      case 'prepared':
        return this.#onPrepared(event.epoch);
      case 'unprepared':
        return this.#onUnprepared(event.epoch);
      case 'open':
        return this.#onOpen(event.session);
      case 'closed':
        return this.#onEnded(event.session, 0);
      case 'welcome':
        return this.#onWelcome(event);
      case 'refused':
        return this.#onEnded(event.session, pauses[event.reason]);
      case 'cut':
        return this.#onCut(event.done);
      case 'data':
        return this.#onData(event.session, event.piece);
      case 'beat':
        return this.#onBeat(event);
      case 'mismatch':
        return this.#onMismatch(event.reason);
      case 'synced':
        return this.#onSynced();
      case 'damaged':
        return this.#onDamaged();
    }
  }

  #onFollow(following: Following): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'idle' && following.epoch <= epochKnown(state)) return [];
    if (state.kind === 'cutting') {
      this.#state = { ...state, session: undefined, next: following };
      return leave(state.session);
    }
    const left = state.kind === 'greeting' || state.kind === 'following' ? leave(state.session) : [];
    this.#state = { kind: 'preparing', following };
    return [...left, { kind: 'prepare', epoch: following.epoch }];
  }

  #onPrepared(epoch: LeaderEpoch): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'preparing' || state.following.epoch !== epoch) return [];
    return this.#wait(state.following, 0);
  }

  #onUnprepared(epoch: LeaderEpoch): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'preparing' || state.following.epoch !== epoch) return [];
    return [{ kind: 'prepare', epoch }];
  }

  #onOpen(session: number): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'waiting') return [];
    const { following } = state;
    this.#state = { kind: 'greeting', following, session };
    return [{ kind: 'hello', session, epoch: following.epoch }];
  }

  #onEnded(session: number, pauseMs: Millis): FollowerEffect[] {
    const state = this.#state;
    if (sessionOf(state) !== session) return [];
    if (state.kind === 'cutting') {
      this.#state = { ...state, session: undefined };
      return [];
    }
    if (state.kind !== 'greeting' && state.kind !== 'following') return [];
    return this.#wait(state.following, pauseMs);
  }

  #onWelcome({ session, epoch, truncateTo, reset }: FollowerEvent & { kind: 'welcome' }): FollowerEffect[] {
    const state = this.#state;
    // A Welcome of an older epoch may arrive behind that of a newer one: its session is over.
    if (state.kind !== 'greeting' || state.session !== session || state.following.epoch !== epoch) return [];
    const { following } = state;
    if (reset !== undefined) return this.#cut(following, session, { kind: 'reset', ...reset });
    if (truncateTo === undefined || truncateTo >= this.#log.durableEnd) return this.#ready(following, session);
    return this.#cut(following, session, { kind: 'truncate', to: truncateTo });
  }

  #cut(following: Following, session: number, cut: FollowerEffect & { kind: 'truncate' | 'reset' }): FollowerEffect[] {
    // Compaction has come past this copy: what is committed here is there, newer.
    const isOvertaken = cut.kind === 'reset' && this.#lacksTombstones(this.#log.durableEnd, cut.tombstoneEnd);
    if (!isOvertaken && this.#isCommittedBehind(cut.to, following)) {
      this.#state = { kind: 'halted', following };
      return [...leave(session), { kind: 'halt', at: cut.to }];
    }
    this.#state = { kind: 'cutting', following, session, next: undefined };
    return [cut];
  }

  /** Whether cutting there, or beginning anew there, would throw away what is committed (I11). */
  #isCommittedBehind(to: Offset, { lastUncleanEpoch }: Following): boolean {
    const { logStart, durableEnd, highWatermark, lastEpoch, isCorrupt } = this.#log;
    if (isCorrupt || lastUncleanEpoch > lastEpoch) return false;
    const committedEnd = highWatermark < durableEnd ? highWatermark : durableEnd;
    return to < committedEnd && logStart < committedEnd;
  }

  /** Whether a copy that ends at `end` would keep for ever what those tombstones have deleted. */
  #lacksTombstones(end: Offset, tombstoneEnd: Offset): boolean {
    return end < tombstoneEnd && this.#log.tombstoneEnd < tombstoneEnd;
  }

  #onCut(done: boolean): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'cutting') return [];
    const { following, session, next } = state;
    if (next !== undefined) {
      this.#state = { kind: 'preparing', following: next };
      return [{ kind: 'prepare', epoch: next.epoch }];
    }
    if (session === undefined) return this.#wait(following, 0);
    if (!done) return [...leave(session), ...this.#wait(following, afterFullDiskMs)];
    return this.#ready(following, session);
  }

  #onData(session: number, piece: Piece): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'following' || state.session !== session) return [];
    if (piece.epoch !== state.following.epoch) return this.#onMismatch('epoch');
    if (this.#lacksTombstones(piece.from, piece.tombstoneEnd)) return this.#onMismatch('gap');
    // What it says of the leader counts once the piece is taken and synced: one that does not fit says nothing.
    const { highWatermark, logStart } = piece;
    this.#state = { ...state, heard: { highWatermark, logStart } };
    return [{ kind: 'append', piece }];
  }

  #onBeat(event: FollowerEvent & { kind: 'beat' }): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'following' || state.session !== event.session) return [];
    if (event.epoch !== state.following.epoch) return this.#onMismatch('epoch');
    const { highWatermark, logStart } = event;
    this.#state = { ...state, heard: { highWatermark, logStart } };
    return [{ kind: 'learn', highWatermark, logStart }];
  }

  #onMismatch(reason: Mismatch): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'following' && state.kind !== 'greeting') return [];
    const pauseMs = reason === 'disk-full' ? afterFullDiskMs : afterMismatchMs;
    return [{ kind: 'nack', session: state.session, reason }, ...this.#wait(state.following, pauseMs)];
  }

  #onDamaged(): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'cutting') return this.#onMismatch('corrupt');
    // The leader has to hear it before this copy is ready for anything.
    this.#state = { ...state, session: undefined };
    return leave(state.session);
  }

  #onSynced(): FollowerEffect[] {
    const state = this.#state;
    if (state.kind !== 'following') return [];
    const { session, following, heard } = state;
    const ack = { kind: 'ack', session, epoch: following.epoch, durableEnd: this.#log.durableEnd } as const;
    // I6: what the leader has committed is committed here as far as it is durable here.
    return heard === undefined ? [ack] : [ack, { kind: 'learn', ...heard }];
  }

  #ready(following: Following, session: number): FollowerEffect[] {
    this.#state = { kind: 'following', following, session, heard: undefined };
    return [{ kind: 'ready', session, epoch: following.epoch }];
  }

  #wait(following: Following, afterMs: Millis): FollowerEffect[] {
    this.#state = { kind: 'waiting', following };
    return [{ kind: 'want', afterMs }];
  }
}

const leave = (session: number | undefined): FollowerEffect[] =>
  session === undefined ? [] : [{ kind: 'nack', session, reason: 'left' }];

const epochKnown = (state: Exclude<FollowerState, { kind: 'idle' }>): LeaderEpoch =>
  state.kind === 'cutting' && state.next !== undefined ? state.next.epoch : state.following.epoch;

const sessionOf = (state: FollowerState): number | undefined =>
  state.kind === 'greeting' || state.kind === 'following' || state.kind === 'cutting' ? state.session : undefined;
