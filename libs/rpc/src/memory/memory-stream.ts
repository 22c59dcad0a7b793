import type { Timers } from '@moldau/kernel';
import { Code } from '@moldau/proto/google/rpc/code_pb';
import type { CallMemory } from '../call-memory.ts';
import { inOnePiece } from '../pieces.ts';
import {
  type CallHead,
  okStatus,
  type RawClientStream,
  type RawListener,
  type RawServerStream,
  type WireStatus,
} from '../raw-stream.ts';
import { type Item, MemoryPipe, type Passage } from './memory-pipe.ts';

/** What a stream needs of its network. */
export interface StreamNetwork {
  readonly timers: Timers;
  readonly windowBytes: number;
  passage(from: string, to: string, bytes: number): Passage;
  /** The network broke the connection between the two. */
  dropped(from: string, to: string): void;
  /** The call has arrived at its server. False: nobody listens there. */
  arrived(stream: MemoryStream): boolean;
  /** Both ends are done. */
  forget(stream: MemoryStream): void;
}

export const unavailable = (message: string): WireStatus => ({ code: Code.UNAVAILABLE, message });

/** A call between two addresses: two pipes, and the two ends that its owners hold. */
export class MemoryStream {
  readonly from: string;
  readonly to: string;
  readonly head: CallHead;
  readonly client: RawClientStream;
  readonly #network: StreamNetwork;
  readonly #up: MemoryPipe;
  readonly #down: MemoryPipe;
  #clientListener: RawListener | undefined;
  #serverListener: RawListener | undefined;
  #serverMemory: CallMemory | undefined;
  #upEnded = false;
  #serverDone = false;

  constructor(network: StreamNetwork, from: string, to: string, head: CallHead, listener: RawListener) {
    this.#network = network;
    this.from = from;
    this.to = to;
    this.head = head;
    this.#clientListener = listener;
    this.#up = this.#pipe(from, to, (item) => this.#atServer(item));
    this.#down = this.#pipe(to, from, (item) => this.#atClient(item));
    this.client = this.#clientEnd();
  }

  /** The end of the server, where the call has arrived. */
  serverEnd(memory: CallMemory): RawServerStream {
    this.#serverMemory = memory;
    return {
      memory,
      start: (listener) => {
        this.#serverListener = listener;
      },
      send: (message, written) => this.#down.send({ kind: 'message', bytes: inOnePiece(message) }, written),
      read: () => this.#up.read(),
      finish: (status) => this.#down.send({ kind: 'over', status }, () => this.closeServer()),
      abort: (status) => {
        this.#down.reset(status);
        this.closeServer();
      },
    };
  }

  /** Sets out for the server. The network must know the stream by now: it may break it on the way. */
  open(): void {
    this.#up.send({ kind: 'open' }, () => {});
  }

  /** Asks the network again about what it held on the way to `to`. */
  release(to: string): void {
    if (to === this.to) this.#up.release();
    if (to === this.from) this.#down.release();
  }

  /** Breaks both ends in a moment, whatever is under way. */
  cut(): void {
    queueMicrotask(() => {
      this.closeServer();
      this.closeClient(unavailable('connection dropped'));
    });
  }

  /** The server's process is gone: its end is dead, and the network tells the client if it can. */
  serverGone(): void {
    this.closeServer();
    this.#down.reset(unavailable('connection dropped'));
  }

  /** The client's process is gone. */
  clientGone(): void {
    this.closeClient(unavailable('this process has stopped'));
    this.#up.reset(unavailable('connection dropped'));
  }

  closeServer(): void {
    const listener = this.#serverListener;
    this.#serverListener = undefined;
    this.#serverDone = true;
    this.#up.close();
    listener?.closed(okStatus);
    this.#serverMemory?.end();
    if (this.#clientListener === undefined) this.#network.forget(this);
  }

  closeClient(status: WireStatus): void {
    const listener = this.#clientListener;
    this.#clientListener = undefined;
    this.#down.close();
    listener?.closed(status);
    if (this.#serverDone) this.#network.forget(this);
  }

  #pipe(from: string, to: string, deliver: (item: Item) => void): MemoryPipe {
    const { timers, windowBytes } = this.#network;
    return new MemoryPipe(timers, windowBytes, {
      passage: (bytes) => this.#network.passage(from, to, bytes),
      deliver,
      dropped: () => this.#network.dropped(from, to),
    });
  }

  #clientEnd(): RawClientStream {
    return {
      send: (message, written) => this.#up.send({ kind: 'message', bytes: inOnePiece(message) }, written),
      read: () => this.#down.read(),
      halfClose: () => this.#up.send({ kind: 'ended' }, () => {}),
      cancel: () => {
        this.#clientListener = undefined;
        this.#down.close();
        this.#up.reset({ code: Code.CANCELLED, message: 'cancelled by the client' });
        if (this.#serverDone) this.#network.forget(this);
      },
    };
  }

  #atServer(item: Item): void {
    switch (item.kind) {
      case 'open':
        if (this.#network.arrived(this)) return;
        this.closeServer();
        this.#down.reset(unavailable('nobody listens there'));
        return;
      case 'message':
        this.#serverListener?.message(item.bytes);
        return;
      case 'ended':
        this.#upEnded = true;
        this.#serverListener?.ended();
        return;
      case 'over':
        // As over HTTP/2, a client that cancels seems to end first.
        if (item.status.code === Code.CANCELLED && !this.#upEnded) this.#serverListener?.ended();
        this.closeServer();
    }
  }

  #atClient(item: Item): void {
    if (item.kind === 'message') this.#clientListener?.message(item.bytes);
    if (item.kind === 'over') this.closeClient(item.status);
  }
}
