import { type Logger, leaderEpoch, type Millis, type Offset, type Timers } from '@moldau/kernel';
import type { LogDirectory, PartitionLog } from '@moldau/log';
import {
  type FollowerEffect,
  type FollowerEvent,
  FollowerMachine,
  type Hello,
  type Following as Leader,
  type Piece,
} from '@moldau/replication';
import type { FollowerStream } from './follower-stream.ts';
import { epochsMax } from './peer-limits.ts';
import { toCopy } from './wire.ts';

/** Whom a copy follows, in a session. */
export type FollowedLeader = Pick<Leader, 'leader' | 'epoch'>;

/** What a copy needs of its node. */
export interface FollowingPorts {
  readonly directory: LogDirectory;
  readonly timers: Timers;
  readonly logger: Logger;
  /** The stream to a node; it opens when someone wants it. */
  streamTo(node: number): FollowerStream;
}

/** A preparation or a cut that the disk refused is tried again after this. */
const retryMs: Millis = 1_000;

/** Bytes of a piece that are not durable yet: they are taken from the stream's credit. */
interface Unsynced {
  readonly end: bigint;
  readonly bytes: number;
}

/** Drives the machine of one copy: brings it what its stream and its log say, and does what it says. Decides nothing. */
export class Following {
  readonly log: PartitionLog;
  readonly #ports: FollowingPorts;
  readonly #machine: FollowerMachine;
  readonly #onLearned: () => void;
  #copy: Hello['copy'];
  #stream: FollowerStream | undefined;
  #unsynced: Unsynced[] = [];
  #cutting: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** `onLearned`: the high watermark has moved. */
  constructor(log: PartitionLog, copy: Hello['copy'], ports: FollowingPorts, onLearned: () => void) {
    this.log = log;
    this.#copy = copy;
    this.#ports = ports;
    this.#onLearned = onLearned;
    this.#machine = new FollowerMachine(log);
  }

  /** What the copy is worth, as its leader is to know. */
  get copy(): Hello['copy'] {
    return this.log.isCorrupt ? 'lost' : this.#copy;
  }

  /** Present while a session with it takes what comes. */
  get leader(): FollowedLeader | undefined {
    const { state } = this.#machine;
    return state.kind === 'following' ? state.following : undefined;
  }

  /** Its leader lacks what is committed here. */
  get isHalted(): boolean {
    return this.#machine.state.kind === 'halted';
  }

  follow(leader: Leader): void {
    this.#step({ kind: 'follow', following: leader });
  }

  /** The session of this number may begin there. One that was wanted before somebody else led is wanted no more. */
  open(on: FollowerStream, session: number): void {
    if (on === this.#stream) this.#step({ kind: 'open', session });
  }

  heard(event: FollowerEvent): void {
    // The next stream grants all of its window anew.
    if (event.kind === 'closed') this.#unsynced = [];
    this.#step(event);
  }

  /** A piece came. Its bytes are given back when they are durable, or at once when it is not taken. */
  received(session: number, piece: Piece): void {
    const isTaken = this.#step({ kind: 'data', session, piece }).some(({ kind }) => kind === 'append');
    if (!isTaken) this.#stream?.giveBack(piece.batches.length);
  }

  synced(): void {
    const { durableEnd } = this.log;
    const done = this.#unsynced.findIndex(({ end }) => end > durableEnd);
    this.#giveBack(this.#unsynced.splice(0, done < 0 ? this.#unsynced.length : done));
    this.#step({ kind: 'synced' });
  }

  /** A write of the log has failed: what it took is gone again. */
  writeFailed(): void {
    this.#giveBack(this.#unsynced.splice(0));
    this.#step({ kind: 'mismatch', reason: 'disk-full' });
  }

  damaged(): void {
    this.#step({ kind: 'damaged' });
  }

  /** Resolves when nothing of it touches the log any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const state = this.#machine.state;
    if ('session' in state && state.session !== undefined) this.#stream?.nack(this, state.session, 'left');
    this.#giveBack(this.#unsynced.splice(0));
    await this.#cutting;
  }

  #step(event: FollowerEvent): readonly FollowerEffect[] {
    if (this.#isStopped) return [];
    const effects = this.#machine.step(event);
    for (const effect of effects) this.#do(effect);
    return effects;
  }

  #do(effect: FollowerEffect): void {
    const { log } = this;
    switch (effect.kind) {
      case 'prepare':
        void this.#prepare(effect.epoch);
        break;
      case 'want':
        this.#ports.timers.after(effect.afterMs, () => this.#want());
        break;
      case 'hello':
        this.#stream?.hello(this, {
          session: effect.session,
          topicId: log.identity.topicId,
          partition: log.identity.partition,
          leaderEpoch: effect.epoch,
          logStart: log.logStart,
          durableEnd: log.durableEnd,
          supersededEnd: log.supersededEnd,
          tombstoneEnd: log.tombstoneEnd,
          epochs: log.epochTail(epochsMax).map(({ epoch, start }) => ({ epoch, start })),
          copy: toCopy(this.copy),
        });
        break;
      case 'truncate':
        this.#cut(() => log.truncate(effect.to));
        break;
      case 'reset':
        this.#cut(() => log.reset(effect.to, effect));
        break;
      case 'ready':
        // What was missing is no longer counted on: the leader has seen to that before it said Welcome.
        this.#copy = 'whole';
        log.vouch();
        this.#stream?.ready({
          session: effect.session,
          leaderEpoch: effect.epoch,
          durableEnd: log.durableEnd,
          lastEpoch: log.lastEpoch,
        });
        break;
      case 'append':
        this.#append(effect.piece);
        break;
      case 'ack':
        this.#stream?.ack({
          session: effect.session,
          leaderEpoch: effect.epoch,
          durableEnd: effect.durableEnd,
          logStart: log.logStart,
        });
        break;
      case 'nack':
        this.#stream?.nack(this, effect.session, effect.reason);
        break;
      case 'learn':
        if (log.followHighWatermark(effect.highWatermark)) this.#onLearned();
        if (effect.logStart > log.logStart) this.#moveLogStart(effect.logStart);
        break;
      case 'halt':
        this.#ports.logger.error(
          'the leader lacks what is committed here: this copy is not cut, and is out of service',
          {
            partition: log.key,
            leaderEnd: effect.at,
            highWatermark: log.highWatermark,
          },
        );
        break;
    }
  }

  /** The leader hears of it with the next ack. A disk that refuses it now will be asked again. */
  #moveLogStart(to: Offset): void {
    const { logStart } = this.log;
    this.log.advanceLogStart(to).then(
      () => {
        // It goes no further than what is committed here: for the rest there is another time.
        if (this.log.logStart > logStart) this.#step({ kind: 'synced' });
      },
      (error: unknown) => this.#ports.logger.debug('could not remove what the leader has removed', { error }),
    );
  }

  /** The leader may be anybody by now, so the stream is looked up anew. */
  #want(): void {
    const { state } = this.#machine;
    if (this.#isStopped || state.kind !== 'waiting') return;
    const stream = this.#ports.streamTo(state.following.leader);
    if (stream !== this.#stream) this.#giveBack(this.#unsynced.splice(0));
    this.#stream = stream;
    stream.want(this);
  }

  async #prepare(epoch: number): Promise<void> {
    const { directory, timers } = this.#ports;
    try {
      await directory.storeEpoch(this.log.key, leaderEpoch(epoch));
      await this.log.syncAll();
    } catch (error) {
      if (directory.failure === undefined) {
        this.#ports.logger.warn('an epoch could not be stored: trying again', {
          partition: this.log.key,
          epoch,
          error,
        });
        timers.after(retryMs, () => this.#step({ kind: 'unprepared', epoch: leaderEpoch(epoch) }));
      }
      return;
    }
    this.#step({ kind: 'prepared', epoch: leaderEpoch(epoch) });
  }

  #cut(task: () => Promise<unknown>): void {
    this.#giveBack(this.#unsynced.splice(0));
    this.#cutting = task().then(
      () => void this.#step({ kind: 'cut', done: true }),
      (error: unknown) => {
        this.#ports.logger.warn('a copy could not be cut', { partition: this.log.key, error });
        this.#step({ kind: 'cut', done: false });
      },
    );
  }

  #append(piece: Piece): void {
    const bytes = piece.batches.length;
    const mismatch = this.log.appendReplica({
      from: piece.from,
      previousEpoch: piece.previousEpoch,
      epochs: piece.epochs,
      bytes: piece.batches,
      leaderEpoch: piece.epoch,
      leaderLogStart: piece.logStart,
    });
    if (mismatch === undefined) {
      this.#unsynced.push({ end: this.log.logEnd, bytes });
      return;
    }
    this.#stream?.giveBack(bytes);
    this.#ports.logger.warn('a piece of the leader does not fit', {
      partition: this.log.key,
      mismatch,
      from: piece.from,
      end: this.log.logEnd,
    });
    this.#step({ kind: 'mismatch', reason: mismatch });
  }

  #giveBack(unsynced: readonly Unsynced[]): void {
    const bytes = unsynced.reduce((sum, one) => sum + one.bytes, 0);
    if (bytes > 0) this.#stream?.giveBack(bytes);
  }
}
