import { assert, faults, type LeaderEpoch, type Millis, MoldauError, type Offset } from '@moldau/kernel';
import { crcMatches, noProducer, scanBatch, stampBatch } from '@moldau/records';
import { AppendPlan } from './append-plan.ts';
import type { AppendOptions, AppendResult } from './append-result.ts';
import { type CheckedBatch, checkAllowed, checkBatches } from './batch-checks.ts';
import type { DirectoryContext } from './directory-context.ts';
import type { EpochEntry } from './leader-epochs.ts';
import { stampLogAppendTime } from './log-append-time.ts';
import type { LogConfig } from './log-config.ts';
import type { LogState } from './log-state.ts';
import type { LogWriter } from './log-writer.ts';
import { checkProducer } from './producers/producer-check.ts';

/** One piece of a leader's log, as it was pushed. */
export interface ReplicaAppend {
  readonly from: Offset;
  readonly previousEpoch: LeaderEpoch;
  readonly epochs: readonly EpochEntry[];
  readonly bytes: Uint8Array;
  readonly leaderEpoch: LeaderEpoch;
  readonly leaderLogStart: Offset;
}

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
    if (this.#context.fs.failure !== undefined) throw faults.notServing(state.name, 'on a disk that has failed');
    if (state.resigned) throw faults.notServing(state.name, 'waiting for a new leader epoch after a failed write');
    if (state.leading === undefined) throw faults.notLeader(state.name, undefined, undefined);
    const batches = checkBatches(bytes);
    // First of all: an answer that was lost is given again, whatever has changed since.
    const [first] = batches;
    const duplicate = first && checkProducer(state.producers, first.header);
    if (duplicate !== undefined) return duplicate;
    const nowMs = this.#context.clock.wallMs();
    checkAllowed(batches, config, nowMs);
    if (options.expectedOffset !== undefined) checkExpected(options.expectedOffset, state.logEnd, batches);
    options.admit?.();
    if (!this.#writer.hasRoomFor(bytes.length)) {
      throw faults.overloaded(`the write queue of ${state.name}`, this.#writer.limitBytes);
    }
    return this.#take(bytes, batches, state.leading, config, nowMs);
  }

  appendReplica(piece: ReplicaAppend, config: LogConfig): 'gap' | 'epoch' | 'corrupt' | undefined {
    const state = this.#state;
    const { from, previousEpoch, epochs, bytes, leaderEpoch, leaderLogStart } = piece;
    if (this.#context.fs.failure !== undefined) return 'gap';
    if (from !== state.logEnd || !this.#writer.hasRoomFor(bytes.length)) return 'gap';
    if (from !== leaderLogStart && state.epochs.epochOf((from - 1n) as Offset) !== previousEpoch) return 'epoch';
    const batches = scanAll(bytes);
    if (batches === undefined) return 'corrupt';
    let end: bigint = from;
    for (const { header } of batches) {
      if (header.baseOffset !== end || header.leaderEpoch > leaderEpoch) return 'corrupt';
      end = header.nextOffset;
    }
    const nowMs = this.#context.clock.wallMs();
    for (const { epoch, start } of epochs) {
      if (epoch <= state.epochs.last) continue;
      state.epochs.begin(epoch, start);
      state.epochsSaved = false;
    }
    const next = end as Offset;
    const preparation = this.#plan.next(from, next, bytes.length, config, nowMs);
    const snapshot = preparation === 'none' ? undefined : state.producers.encode(from);
    for (const { header } of batches) {
      if (header.producerId !== noProducer && !header.isControl) state.producers.take(header, nowMs);
    }
    state.logEnd = next;
    this.#writer.push({ base: from, next, bytes, rolls: preparation === 'roll', snapshot });
    return undefined;
  }

  #take(
    bytes: Uint8Array,
    batches: readonly CheckedBatch[],
    epoch: LeaderEpoch,
    config: LogConfig,
    nowMs: Millis,
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
    this.#writer.push({ base, next, bytes, rolls: preparation === 'roll', snapshot });
    const lastOffset = (next - 1n) as Offset;
    const appended = { kind: 'appended', baseOffset: base, lastOffset, nextOffset: next } as const;
    return stampsTime ? { ...appended, timestampMs: nowMs } : appended;
  }
}

function scanAll(bytes: Uint8Array): CheckedBatch[] | undefined {
  const batches: CheckedBatch[] = [];
  for (let at = 0; at < bytes.length; ) {
    const scanned = scanBatch(bytes, at, bytes.length);
    if (scanned.kind !== 'batch' || !crcMatches(bytes, at, scanned.header, scanned.sizeBytes)) return undefined;
    batches.push({ header: scanned.header, at, sizeBytes: scanned.sizeBytes });
    at += scanned.sizeBytes;
  }
  return batches.length === 0 ? undefined : batches;
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
