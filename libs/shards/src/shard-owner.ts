import {
  type CancelTimer,
  type Clock,
  faults,
  Gate,
  hasReason,
  type Logger,
  MoldauError,
  type Random,
  type Timers,
} from '@moldau/kernel';
import { sealError } from '@moldau/rpc';
import { CommitQueue } from './commit-queue.ts';
import { nextPhase, type Phase, type ShardEvent } from './phase.ts';
import type { Instant, ShardKind, ShardMachine } from './shard-kind.ts';
import type { ShardLog } from './shard-log.ts';

/** What an owner needs of the world. */
export interface ShardOwnerPorts<Frame> {
  readonly log: ShardLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Takes a frame whose records are committed, in the order of the log. Does not throw. */
  readonly frame: (frame: Frame) => void;
  /** The shard is no longer owned, and never again by this one. Called once; everything has been answered. */
  readonly lost: (error: MoldauError) => void;
}

/** How much may wait for the log, records and answers alike. Beyond it requests are OVERLOADED. */
export interface ShardLimits {
  readonly waitingBytesMax: number;
  readonly waitingRequestsMax: number;
  /** A batch that has so many bytes is full. */
  readonly batchBytes: number;
}

export const defaultShardLimits: ShardLimits = {
  waitingBytesMax: 8 * 1024 * 1024,
  waitingRequestsMax: 20_000,
  batchBytes: 256 * 1024,
};

export interface SubmitOptions {
  /** The answer leaves only behind something that was sent to the log after the request came: nobody else had the shard then. */
  readonly isFresh?: boolean;
}

/** Gets the reply once it may leave, or why there is none. Called once; does not throw. */
export type Settle<Reply> = (error: MoldauError | undefined, reply: Reply | undefined) => void;

/**
 * Owns one shard under one epoch, from the fence to the end: what its machine decides becomes true when the log has it, and is
 * told to nobody before. Decides nothing itself; SPEC.md has the rules.
 */
export class ShardOwner<Request, Reply, Frame> {
  /** For people. */
  readonly name: string;
  readonly #kind: ShardKind<Request, Reply, Frame>;
  readonly #ports: ShardOwnerPorts<Frame>;
  readonly #limits: ShardLimits;
  readonly #queue: CommitQueue;
  readonly #moved = new Gate();
  #phase: Phase = { kind: 'fencing' };
  #machine: ShardMachine<Request, Reply, Frame> | undefined;
  #isFlushDue = false;
  #cancelTick: CancelTimer = () => {};

  constructor(
    name: string,
    kind: ShardKind<Request, Reply, Frame>,
    ports: ShardOwnerPorts<Frame>,
    limits: ShardLimits = defaultShardLimits,
  ) {
    this.name = name;
    this.#kind = kind;
    this.#ports = ports;
    this.#limits = limits;
    this.#queue = new CommitQueue(limits.batchBytes);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Fences, replays, and serves from then on. */
  start(): void {
    void this.#load();
  }

  /** Resolves when the shard is served. Throws what it was lost with, or the signal's reason. */
  async ready(signal?: AbortSignal): Promise<void> {
    const wake = (): void => this.#moved.open();
    signal?.addEventListener('abort', wake, { once: true });
    try {
      while (this.#phase.kind === 'fencing' || this.#phase.kind === 'replaying') {
        signal?.throwIfAborted();
        await this.#moved.wait();
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
    if (this.#phase.kind !== 'serving') throw this.#notServing();
  }

  /** Steps the machine, and answers when what it decided is committed. Throws OVERLOADED, NOT_SERVING: nothing was done then. */
  submit(request: Request, settle: Settle<Reply>, { isFresh = false }: SubmitOptions = {}): void {
    if (this.#phase.kind !== 'serving') throw this.#notServing();
    if (this.#isFull) throw faults.overloaded(`the queue of ${this.name}`, this.#limits.waitingBytesMax);
    this.#step(request, settle, isFresh);
  }

  /** Takes nothing new, and resolves when all that it had is answered and the shard given up. */
  async drain(): Promise<void> {
    this.#on({ kind: 'drain', error: handedOver(this.name) });
    if (this.#queue.isEmpty && this.#phase.kind === 'draining') this.#drained();
    while (this.#phase.kind !== 'lost') await this.#moved.wait();
  }

  /** Gives the shard up at once. What is on its way may be written. */
  stop(error: MoldauError = handedOver(this.name)): void {
    this.#lose(error, true);
  }

  get #isFull(): boolean {
    const { waitingBytesMax, waitingRequestsMax } = this.#limits;
    return this.#queue.waitingBytes >= waitingBytesMax || this.#queue.waiting >= waitingRequestsMax;
  }

  get #now(): Instant {
    const { clock } = this.#ports;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  async #load(): Promise<void> {
    const { log, logger } = this.#ports;
    const replay = this.#kind.replay();
    try {
      const end = await log.open();
      this.#on({ kind: 'fenced', end });
      await log.read(end, (record) => replay.apply(record));
      if (this.#phase.kind !== 'replaying') return;
      this.#machine = replay.finish(this.#now);
      this.#on({ kind: 'replayed' });
      logger.info('a shard is served from now on', { shard: this.name, end });
      this.#scheduleTick();
    } catch (error) {
      this.#lose(this.#sealed(error), false);
    }
  }

  /** One transition, whole: nothing of it is seen by anybody before it is in the queue. */
  #step(request: Request, settle: Settle<Reply>, isFresh: boolean): void {
    const machine = this.#machine;
    if (machine === undefined) throw this.#notServing();
    try {
      const { records, reply, frames, parkedBytes } = machine.step(request, this.#now);
      this.#queue.add(records, isFresh, {
        bytes: parkedBytes,
        release: () => {
          settle(undefined, reply);
          for (const frame of frames) this.#ports.frame(frame);
        },
        fail: (mayBeWritten) => settle(mayBeWritten ? lostInFlight(this.name) : this.#notServing(), undefined),
      });
    } catch (error) {
      // It may have changed half of what it wanted to: nothing of that state may be served.
      const sealed = this.#sealed(error);
      this.#lose(sealed, true);
      return settle(sealed, undefined);
    }
    this.#flushSoon();
    this.#scheduleTick();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    const records = this.#queue.take();
    if (records === undefined) return;
    this.#ports.log.append(records).then(
      () => this.#committed(),
      (error: unknown) => {
        const sealed = this.#sealed(error);
        this.#lose(sealed, sealed.outcome !== 'NOT_WRITTEN');
      },
    );
  }

  #committed(): void {
    // Everything that waited has been failed, as it may be written.
    if (this.#phase.kind === 'lost') return;
    this.#queue.committed();
    this.#flush();
    this.#scheduleTick();
    if (this.#phase.kind === 'draining' && this.#queue.isEmpty) this.#drained();
  }

  #drained(): void {
    this.#on({ kind: 'drained', error: handedOver(this.name) });
    this.#end();
  }

  /** Ticks wait where too much waits for the log: they go on with the next commit. */
  #scheduleTick(): void {
    this.#cancelTick();
    const deadline = this.#machine?.nextDeadlineMs;
    if (deadline === undefined || this.#phase.kind !== 'serving' || this.#isFull) return;
    const { clock, timers } = this.#ports;
    this.#cancelTick = timers.after(Math.max(0, deadline - clock.monotonicMs()), () => {
      if (this.#phase.kind === 'serving') this.#step(this.#kind.tick, () => {}, false);
    });
  }

  #lose(error: MoldauError, mayBeWritten: boolean): void {
    if (this.#phase.kind === 'lost') return;
    this.#on({ kind: 'failed', error });
    this.#queue.fail(mayBeWritten);
    this.#end();
  }

  #on(event: ShardEvent): void {
    const before = this.#phase;
    this.#phase = nextPhase(before, event);
    if (event.kind === 'drain' && before.kind !== 'lost' && this.#phase.kind === 'lost') this.#end();
    this.#moved.open();
  }

  /** After the last transition. */
  #end(): void {
    if (this.#phase.kind !== 'lost') return;
    const { log, logger, lost } = this.#ports;
    this.#machine = undefined;
    this.#cancelTick();
    log.close();
    const { error } = this.#phase;
    const isUsual = hasReason(error, 'NOT_SERVING') || hasReason(error, 'FENCED_TOKEN');
    if (isUsual) logger.info('a shard has another owner', { shard: this.name, error });
    else
      logger.error('a shard is lost by a failure: nobody serves it before it has a new epoch', {
        shard: this.name,
        error,
      });
    lost(error);
  }

  #sealed(error: unknown): MoldauError {
    return sealError(error, this.name, this.#ports);
  }

  #notServing(): MoldauError {
    const phase = this.#phase;
    const state = phase.kind === 'lost' ? 'with another owner now, or about to be' : phase.kind;
    return faults.notServing(this.name, state);
  }
}

const handedOver = (name: string): MoldauError => faults.notServing(name, 'being handed over');

/** Its records may be in the log, and the next owner goes by what is. */
const lostInFlight = (name: string): MoldauError =>
  new MoldauError('LEADERSHIP_LOST', `${name} was lost while this was being written: it may be done, retry`);
