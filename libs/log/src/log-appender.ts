import { assert, faults, type LeaderEpoch, type Millis, MoldauError, type Offset } from '@moldau/kernel';
import { BatchHeader, fencingTokenBatch, noProducer, stampBatch, tokenBatchBytes } from '@moldau/records';
import { AppendPlan } from './append-plan.ts';
import type { AppendOptions, AppendResult } from './append-result.ts';
import { type CheckedBatch, checkAllowed, checkBatches } from './batch-checks.ts';
import type { DirectoryContext } from './directory-context.ts';
import { stampLogAppendTime } from './log-append-time.ts';
import type { LogConfig } from './log-config.ts';
import type { LogState } from './log-state.ts';
import type { LogWriter } from './log-writer.ts';
import { ownMemory } from './own-memory.ts';
import { checkProducer } from './producers/producer-check.ts';
import { checkPiece, type Mismatch, type ReplicaAppend } from './replica-append.ts';
import { noteToken } from './token-record.ts';

/** Takes appends: everything from the checks to the offsets happens in one turn, and nothing is written here. */
export class LogAppender {
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #writer: LogWriter;
  #plan: AppendPlan;

  constructor(context: DirectoryContext, state: LogState, writer: LogWriter) {
    this.#context = context;
    this.#state = state;
    this.#writer = writer;
    this.#plan = freshPlan(state);
  }

  /** The segments have changed behind the plan's back. */
  replan(): void {
    this.#plan = freshPlan(this.#state);
  }

  append(bytes: Uint8Array, options: AppendOptions, config: LogConfig): AppendResult {
    const state = this.#state;
    const epoch = this.#requireLeading();
    const batches = checkBatches(bytes);
    // First of all: an answer that was lost is given again, whatever has changed since.
    const [first] = batches;
    const duplicate = first && checkProducer(state.producers, first.header);
    if (duplicate !== undefined) return duplicate;
    const nowMs = this.#context.clock.wallMs();
    checkAllowed(batches, config, nowMs);
    const raises = this.#raisedBy(options.fencingToken);
    if (options.expectedOffset !== undefined) checkExpected(options.expectedOffset, state.logEnd, batches);
    options.admit?.();
    this.#requireRoom(bytes.length + tokenBatchBytes);
    if (raises !== undefined) this.#takeToken(raises, epoch, config, nowMs);
    return this.#take(bytes, batches, epoch, config, nowMs, raises !== undefined);
  }

  /**
   * Raises the partition's fencing token by a control record, unless it is in force already. Returns the offset behind that
   * record: it counts once it is committed. Throws FENCED_TOKEN, and as `append` does.
   */
  raiseToken(token: bigint, admit: () => void, config: LogConfig): Offset {
    const state = this.#state;
    const epoch = this.#requireLeading();
    if (this.#raisedBy(token) !== undefined) {
      admit();
      this.#requireRoom(tokenBatchBytes);
      this.#takeToken(token, epoch, config, this.#context.clock.wallMs());
    }
    const { last } = state.tokens;
    assert(last?.token === token, 'the token is in force now');
    return (last.at + 1n) as Offset;
  }

  /** A piece of the leader's log, as it is; undefined: taken. What does not fit exactly is not taken at all. */
  appendReplica(piece: ReplicaAppend, config: LogConfig): Mismatch | undefined {
    const state = this.#state;
    assert(state.leading === undefined, `a leader of ${state.name} takes no piece of another one`);
    // Nothing is taken while the end moves, nor onto a disk that has failed.
    if (state.cuts > 0 || state.ending || this.#context.fs.failure !== undefined) return 'gap';
    if (!this.#writer.hasRoomFor(piece.bytes.length)) return 'gap';
    const fitting = checkPiece(state, piece);
    if (typeof fitting === 'string') return fitting;
    const { batches, next, epochs } = fitting;
    const nowMs = this.#context.clock.wallMs();
    const preparation = this.#plan.next(piece.from, next, piece.bytes.length, config, nowMs);
    const snapshot = preparation === 'none' ? undefined : state.producers.encode(piece.from);
    // The leader's epochs are on the disk before its records: recovery never has to guess where one began.
    if (!epochs.isSame(state.epochs)) state.replaceEpochs(epochs);
    for (const { header } of batches) {
      if (header.producerId !== noProducer) state.producers.take(header, nowMs);
    }
    for (const batch of batches) noteToken(state, piece.bytes, batch);
    state.logEnd = next;
    const { from: base } = piece;
    const bytes = ownMemory(piece.bytes);
    this.#writer.push({ base, next, bytes, rolls: preparation === 'roll', snapshot, savesEpochs: !state.epochsSaved });
    return undefined;
  }

  /** The epoch under which appends are taken. Throws NOT_SERVING or NOT_LEADER while none are. */
  #requireLeading(): LeaderEpoch {
    const { name, resigned, cuts, leading } = this.#state;
    if (this.#context.fs.failure !== undefined) throw faults.notServing(name, 'on a disk that has failed');
    if (resigned) throw faults.notServing(name, 'waiting for a new leader epoch after a failed write');
    if (cuts > 0) throw faults.notServing(name, 'being cut');
    if (leading === undefined) throw faults.notLeader(name, undefined, undefined);
    return leading;
  }

  /** What a writer's token raises the partition's to; undefined: nothing is to be raised. Throws FENCED_TOKEN when it lies below. */
  #raisedBy(token: bigint | undefined): bigint | undefined {
    const { last } = this.#state.tokens;
    if (last === undefined) return token;
    if (token === undefined || token < last.token) throw faults.fencedToken(this.#state.name, token, last.token);
    return token > last.token ? token : undefined;
  }

  #requireRoom(bytes: number): void {
    if (this.#writer.hasRoomFor(bytes)) return;
    throw faults.overloaded(`the write queue of ${this.#state.name}`, this.#writer.limitBytes);
  }

  /** The one record that a leader writes by itself. */
  #takeToken(token: bigint, epoch: LeaderEpoch, config: LogConfig, nowMs: Millis): void {
    const bytes = fencingTokenBatch(token, nowMs);
    const batch = { header: new BatchHeader(bytes), at: 0, sizeBytes: bytes.length };
    const at = this.#state.logEnd;
    this.#take(bytes, [batch], epoch, config, nowMs, true);
    this.#state.raiseToken(token, at);
  }

  #take(
    bytes: Uint8Array,
    batches: readonly CheckedBatch[],
    epoch: LeaderEpoch,
    config: LogConfig,
    nowMs: Millis,
    raised: boolean,
  ): AppendResult {
    const state = this.#state;
    const base = state.logEnd;
    const stampsTime = config.timestampType === 'append';
    const records = batches.reduce((sum, { header }) => sum + header.recordsCount, 0);
    const next = (base + BigInt(records)) as Offset;
    const preparation = this.#plan.next(base, next, bytes.length, config, nowMs);
    // Only now are the producers known as of exactly this offset.
    const snapshot = preparation === 'none' ? undefined : state.producers.encode(base);
    for (const { header, at, sizeBytes } of batches) {
      if (stampsTime) stampLogAppendTime(bytes, at, sizeBytes, nowMs);
      stampBatch(bytes, at, state.logEnd, epoch);
      if (header.producerId !== noProducer) state.producers.take(header, nowMs);
      state.logEnd = header.nextOffset as Offset;
    }
    assert(state.logEnd === next, 'the batches hold as many offsets as records');
    const owned = ownMemory(bytes);
    this.#writer.push({ base, next, bytes: owned, rolls: preparation === 'roll', snapshot, savesEpochs: false });
    const lastOffset = (next - 1n) as Offset;
    const appended = { kind: 'appended', baseOffset: base, lastOffset, nextOffset: next, raised } as const;
    return stampsTime ? { ...appended, timestampMs: nowMs } : appended;
  }
}

function freshPlan({ active, logEnd }: LogState): AppendPlan {
  const plan = new AppendPlan(active?.baseOffset ?? logEnd, active?.sizeBytes ?? 0, active?.sinceMs ?? 0);
  // Behind damage nothing is appended to the same file.
  if (active === undefined || active.nextOffset !== logEnd) plan.askRoll();
  return plan;
}

function checkExpected(expected: Offset, actual: Offset, batches: readonly CheckedBatch[]): void {
  if (batches.length > 1) {
    throw faults.invalidRequest('batch', 'holds several batches of a conditional append: send one');
  }
  if (expected === actual) return;
  throw new MoldauError(
    'EXPECTED_OFFSET_MISMATCH',
    `the log ends at ${actual}, not at ${expected}: read what came in between, and decide again`,
    { expected, actual },
  );
}
