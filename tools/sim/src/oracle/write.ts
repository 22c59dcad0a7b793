/** What a client was told of a write in the end. */
export type WriteState = 'pending' | 'ok' | 'not-written' | 'unknown';

/** One record that somebody wanted to write. Its text is its own: no other write has it. */
export interface Write {
  readonly id: string;
  readonly text: string;
  readonly topic: string;
  /** Writes of one lane come in this order on each partition. `undefined`: no order is promised. */
  readonly lane: string | undefined;
  readonly number: number;
  state: WriteState;
  partition: number | undefined;
  /** As it was acknowledged. */
  offset: bigint | undefined;
}

export const place = (topic: string, partition: number): string => `${topic}/${partition}`;

/** The id of the write that has this text. */
export const idOf = (text: string): string => text.slice(0, text.indexOf('|'));
