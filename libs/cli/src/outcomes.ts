import type { Writable } from 'node:stream';
import { type Producer, SendFailed, type Ticket } from '@moldau/client';
import { write } from './io.ts';

/** Records whose outcome is not known yet, at most: what bounds the memory. */
const maxFollowed = 50_000;

/** What becomes of each line: counted, and written to the report in the order of the input. */
export class Outcomes {
  readonly #report: Writable | undefined;
  readonly #followed: { readonly line: number; readonly ticket: Ticket }[] = [];
  #reading: Promise<void> | undefined;
  #reportError: Error | undefined;
  taken = 0;
  written = 0;
  lost = 0;
  firstLoss: unknown;

  constructor(report: Writable | undefined) {
    this.#report = report;
    report?.on('error', (error) => {
      this.#reportError ??= error;
    });
  }

  /** Takes the ticket of a line. Waits when too many are undecided. */
  async follow(line: number, ticket: Ticket): Promise<void> {
    this.taken += 1;
    this.#followed.push({ line, ticket });
    this.#reading ??= this.#read();
    if (this.#followed.length >= maxFollowed) await this.#reading;
    if (this.#reportError !== undefined) throw this.#reportError;
  }

  /** Notes a line that was never sent. */
  async lose(line: number, error: unknown): Promise<void> {
    this.taken += 1;
    await this.#reading;
    await this.#note(line, error);
  }

  /** Resolves when everything that was taken is decided and reported. */
  async settled(producer: Producer<Uint8Array, Uint8Array>): Promise<void> {
    // Its error is the first loss, which is counted by its ticket.
    await producer.flush().catch(() => {});
    await this.#reading;
    if (this.#reportError !== undefined) throw this.#reportError;
  }

  progress(): string {
    const lost = this.lost === 0 ? '' : `, ${this.lost} lost`;
    return `${this.written.toLocaleString('en')} records written${lost}`;
  }

  summary(topic: string): string {
    const lost = this.lost === 0 ? '' : `, ${this.lost} not acknowledged`;
    return `${this.written} record${this.written === 1 ? '' : 's'} written to ${topic}${lost}`;
  }

  async #read(): Promise<void> {
    // The list is taken as a whole: shifting records off it one by one would cost as much as they are many.
    for (let batch = this.#followed.splice(0); batch.length > 0; batch = this.#followed.splice(0)) {
      for (const { line, ticket } of batch) {
        try {
          const { partition, offset } = await ticket.ack;
          this.written += 1;
          await this.#say({ line, partition, offset: offset === undefined ? null : String(offset) });
        } catch (error) {
          await this.#note(line, error);
        }
      }
    }
    this.#reading = undefined;
  }

  async #note(line: number, error: unknown): Promise<void> {
    this.lost += 1;
    this.firstLoss ??= error;
    const message = error instanceof Error ? error.message : String(error);
    const entry =
      error instanceof SendFailed ? { outcome: error.outcome, reason: error.reason } : { outcome: 'NOT_WRITTEN' };
    await this.#say({ line, ...entry, error: message });
  }

  async #say(entry: object): Promise<void> {
    if (this.#report === undefined || this.#reportError !== undefined) return;
    await write(this.#report, `${JSON.stringify(entry)}\n`);
  }
}
