import { assert, type Offset } from '@moldau/kernel';
import type { SendFailed } from './send-failed.ts';

/** Where a record is. The offset is absent when the cluster knows only that it is written (an old duplicate). */
export interface Sent {
  readonly partition: number;
  readonly offset: Offset | undefined;
}

/** One record on its way. Nothing happens when nobody looks at `ack`: a lost record shows in `flush` then. */
export interface Ticket {
  /** Resolves when the record is durable; rejects with {@link SendFailed}. */
  readonly ack: Promise<Sent>;
}

/** The fate of one batch, shared by the tickets of its records. */
export class Delivery {
  readonly partition: number;
  /** Called when the last ticket is read that was not. */
  onSeen: () => void = () => {};
  #unread = 0;
  #state: 'pending' | 'sent' | 'failed' = 'pending';
  #baseOffset: Offset | undefined;
  #error: SendFailed | undefined;
  #waiting: (() => void)[] = [];

  constructor(partition: number) {
    this.partition = partition;
  }

  /** Whether somebody has asked for the fate of each record. */
  get isSeen(): boolean {
    return this.#unread === 0;
  }

  /** The ticket of record `index` of the batch. */
  ticket(index: number): Ticket {
    this.#unread += 1;
    return new RecordTicket(this, index);
  }

  /** A record that has no ticket: nobody will ask for its fate. */
  unnoticed(): void {
    this.#unread += 1;
  }

  /** A ticket is read for the first time. */
  read(): void {
    this.#unread -= 1;
    if (this.isSeen) this.onSeen();
  }

  /** Where record `index` of the batch is, once that is known. */
  sent(index: number): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (this.#error !== undefined) return reject(this.#error);
        const base = this.#baseOffset;
        resolve({
          partition: this.partition,
          offset: base === undefined ? undefined : ((base + BigInt(index)) as Offset),
        });
      };
      if (this.#state === 'pending') this.#waiting.push(settle);
      else settle();
    });
  }

  succeed(baseOffset: Offset | undefined): void {
    this.#baseOffset = baseOffset;
    this.#settle('sent');
  }

  fail(error: SendFailed): void {
    this.#error = error;
    this.#settle('failed');
  }

  #settle(state: 'sent' | 'failed'): void {
    assert(this.#state === 'pending', 'a batch is decided once');
    this.#state = state;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const settle of waiting) settle();
  }
}

class RecordTicket implements Ticket {
  readonly #delivery: Delivery;
  readonly #index: number;
  #isRead = false;

  constructor(delivery: Delivery, index: number) {
    this.#delivery = delivery;
    this.#index = index;
  }

  get ack(): Promise<Sent> {
    if (!this.#isRead) this.#delivery.read();
    this.#isRead = true;
    return this.#delivery.sent(this.#index);
  }
}
