import type { AppendAck } from '@moldau/proto/moldau/log/v1/log_pb';

/** What a client's session is told besides: acks, and credit for more. */
export interface AppendAnswersEvents {
  acks(acks: AppendAck[]): void;
  window(creditBytes: number): void;
}

/** Gathers what is to be said to a client, so that everything that is known in one turn goes out as one frame. */
export class AppendAnswers {
  readonly #windowBytes: number;
  readonly #events: AppendAnswersEvents;
  #creditBytes: number;
  #returnedBytes = 0;
  #acks: AppendAck[] = [];
  #isScheduled = false;

  constructor(windowBytes: number, events: AppendAnswersEvents) {
    this.#windowBytes = windowBytes;
    this.#creditBytes = windowBytes;
    this.#events = events;
  }

  /** What the client may still send. Whoever has credit above 0 may send one whole entry. */
  get creditBytes(): number {
    return this.#creditBytes;
  }

  /** The client knows of none: what it got back and was not told of is none to it. */
  get isSpent(): boolean {
    return this.#creditBytes - this.#returnedBytes <= 0;
  }

  /** The client has used credit. */
  use(bytes: number): void {
    this.#creditBytes -= bytes;
  }

  /** The client gets credit back. */
  giveBack(bytes: number): void {
    this.#creditBytes += bytes;
    this.#returnedBytes += bytes;
    this.#schedule();
  }

  add(acks: readonly AppendAck[]): void {
    if (acks.length === 0) return;
    this.#acks.push(...acks);
    this.#schedule();
  }

  /** Says all that is known now. */
  flush(): void {
    if (this.#acks.length > 0) {
      const acks = this.#acks;
      this.#acks = [];
      this.#events.acks(acks);
    }
    if (this.#returnedBytes < this.#windowBytes / 8) return;
    const returned = this.#returnedBytes;
    this.#returnedBytes = 0;
    this.#events.window(returned);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
