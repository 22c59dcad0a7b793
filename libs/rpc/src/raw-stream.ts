import type { CallMemory } from './call-memory.ts';
import type { Encoded } from './pieces.ts';

// A call as bytes: the seam between what every transport does alike (sessions, deadlines, errors, limits) and what is its own.

/** How a call ended. `details`: a serialized google.rpc.Status, where the server gave one. */
export interface WireStatus {
  readonly code: number;
  readonly message: string;
  readonly details?: Uint8Array | undefined;
}

export const okStatus: WireStatus = { code: 0, message: '' };

/** What one end of a call hears: messages, perhaps `ended`, and `closed` exactly once and last. */
export interface RawListener {
  message(bytes: Uint8Array): void;
  /** The peer sends no more. A client hears `closed` instead. */
  ended(): void;
  /** The call is over: a client gets the server's status, a server anything. */
  closed(status: WireStatus): void;
}

/** One end of a call. Nothing here throws; what comes after the end is dropped. */
export interface RawStream {
  /** The bytes must not change before they have left. `written` is called when the transport has room for more, or never if the call ends first. */
  send(bytes: Encoded, written: () => void): void;
  /** Asks for one more message, or for `ended`. Without it the transport delivers nothing. */
  read(): void;
}

export interface RawClientStream extends RawStream {
  /** Sends no more. */
  halfClose(): void;
  /** Breaks the call; the listener hears nothing more. */
  cancel(): void;
}

/** Its `send` copies what it is given before it returns: a node gives views of memory that is used again after that turn. */
export interface RawServerStream extends RawStream {
  /** What the call holds. The transport counts what it keeps itself, and ends it when nothing of the call is left. */
  readonly memory: CallMemory;
  /** Names the listener; before anything else, and once. */
  start(listener: RawListener): void;
  /** Ends the call behind everything that was sent. */
  finish(status: WireStatus): void;
  /** Ends the call now, also one that is finished. What was sent and not taken is dropped; the peer is told if it can be. */
  abort(status: WireStatus): void;
}

/** What a client says of a call before its first message. */
export interface CallHead {
  /** `/package.Service/Method` */
  readonly path: string;
  /** How long the client waits. */
  readonly timeoutMs: number | undefined;
  /** It is someone else's call, passed on. */
  readonly forwarded: boolean;
}

/** Opens calls to one address. */
export interface RawChannel {
  readonly address: string;
  open(head: CallHead, listener: RawListener): RawClientStream;
  close(): void;
}
