import type { Share } from '../shares.ts';

/** What is to be written. Each is asked for once, in order. */
export interface Values {
  readonly count: number;
  readonly valueBytes: number;
  next(): Buffer;
}

/** A connected client of a system whose topics are one stream each. */
export interface StreamClient {
  createTopic(topic: string): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  /** Writes values, with as many under way as is its fast way. Resolves when all of them are acknowledged. */
  writeAll(topic: string, values: Values): Promise<void>;
  /** Reads its part of what was written: all of it together with the other clients. Resolves when it has. */
  readShare(topic: string, share: Share, clients: number, take: (value: Uint8Array) => void): Promise<void>;
  /** Prepares for writing one by one. What it gives writes a value at once; resolves when that is acknowledged. */
  writer(topic: string): Promise<(value: Buffer) => Promise<void>>;
  /** Takes whatever is written from now on, until the process ends. Resolves when it listens. */
  follow(topic: string, take: (value: Uint8Array) => void): Promise<void>;
}

/** What a process of one client is asked for. */
export type StreamTask =
  | { readonly kind: 'create' | 'delete'; readonly topic: string }
  | {
      readonly kind: 'produce' | 'consume';
      readonly topic: string;
      readonly valueBytes: number;
      readonly share: Share;
      readonly clients: number;
    }
  | {
      readonly kind: 'endToEnd';
      readonly topic: string;
      readonly valueBytes: number;
      readonly perSecond: number;
      readonly warmUpSeconds: number;
      readonly seconds: number;
    };

/** What it is given as JSON. */
export interface StreamArguments {
  readonly port: number;
  readonly task: StreamTask;
}
