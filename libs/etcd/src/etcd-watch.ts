import { revision as asRevision, ByteQueue, type CancelTimer, Gate, type Revision, type Timers } from '@moldau/kernel';
import { type StoreChange, StoreCompacted, type StoreWatch, storeUnavailable } from '@moldau/metadata';
import type { IWatchResponse } from 'etcd3';
import { ChangeAssembler } from './change-assembler.ts';
import { answerMs, type EtcdMember, noAnswer, type WatchStream } from './etcd-member.ts';
import { keysBelow } from './requests.ts';

/** What a reader may leave waiting. A reader that is further behind lists again. */
const waitingBytesMax = 16 * 1024 * 1024;

/** What a change takes beside its text, about. */
const eventBytes = 200;

/**
 * One watch, on a stream of its own. It never goes on after a disturbance: whatever is not in order ends it, and the
 * reader lists again. So what it has shown is without gaps, whatever the member or the library believe of revisions.
 */
export class EtcdWatch implements StoreWatch {
  readonly #member: EtcdMember;
  readonly #assembler = new ChangeAssembler();
  readonly #waiting = new ByteQueue<StoreChange>(waitingBytesMax, sizeOf);
  readonly #moved = new Gate();
  readonly #onEnd: () => void;
  /** The lowest revision that may come. */
  #next: bigint;
  #stream: WatchStream | undefined;
  #cancelTimer: CancelTimer;
  #end: 'closed' | Error | undefined;

  constructor(
    member: EtcdMember,
    range: { readonly prefix: string; readonly from: Revision },
    timers: Timers,
    onEnd: () => void,
  ) {
    this.#member = member;
    // For etcd, 0 is not the beginning but the present.
    this.#next = range.from > 1n ? range.from : 1n;
    this.#onEnd = onEnd;
    this.#cancelTimer = timers.after(answerMs, () => this.#fail(() => member.silent(noAnswer)));
    void this.#open(range.prefix);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreChange> {
    try {
      for (;;) {
        const change = this.#waiting.shift();
        if (change !== undefined) yield change;
        else if (this.#end === 'closed') return;
        else if (this.#end !== undefined) throw this.#end;
        else await this.#moved.wait();
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#waiting.drain();
    this.#finish('closed');
  }

  async #open(prefix: string): Promise<void> {
    try {
      const stream = await this.#member.openWatch();
      stream.on('data', (response) => this.#take(response));
      stream.on('error', (error) => this.#fail(() => this.#member.streamFailed(error)));
      stream.on('end', () => this.#fail(() => this.#member.silent('it has ended the watch')));
      this.#stream = stream;
      if (this.#end !== undefined) return stream.cancel();
      // In fragments: a catch-up in one piece could be larger than what this process takes at once.
      stream.write({ create_request: { ...keysBelow(prefix), start_revision: String(this.#next), fragment: true } });
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take({ created, canceled, compact_revision, cancel_reason, events, fragment }: IWatchResponse): void {
    if (this.#end !== undefined) return;
    if (created) this.#cancelTimer();
    if (canceled) return this.#finish(this.#refusal(BigInt(compact_revision), cancel_reason));
    for (const change of this.#assembler.add(events, fragment)) {
      if (change.revision < this.#next) return this.#finish(storeUnavailable(`etcd goes back to ${change.revision}`));
      this.#next = change.revision + 1n;
      if (this.#waiting.push(change)) continue;
      this.#waiting.drain();
      return this.#finish(storeUnavailable(`nobody reads its changes, and ${waitingBytesMax} bytes of them wait`));
    }
    this.#moved.open();
  }

  #refusal(compacted: bigint, reason: string): Error {
    if (compacted > 0n) return new StoreCompacted(this.#next, asRevision(compacted));
    return this.#member.streamFailed(new Error(reason));
  }

  /** `problem` is asked for only if this ends the watch: a stream says of its own cancellation, too, that it has failed. */
  #fail(problem: () => Error): void {
    if (this.#end === undefined) this.#finish(problem());
  }

  #finish(end: 'closed' | Error): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#cancelTimer();
    this.#stream?.cancel();
    this.#onEnd();
    this.#moved.open();
  }
}

const sizeOf = ({ events }: StoreChange): number =>
  events.reduce(
    (bytes, event) =>
      bytes +
      eventBytes +
      (event.kind === 'put' ? event.entry.key.length + event.entry.value.length : event.key.length),
    0,
  );
