/** What one process takes, sends and holds. Bytes, milliseconds, counts: the unit stands in the name. */
export interface Limits {
  /** The largest message that a server takes on an append, a session or a call between nodes. */
  readonly frameBytesMax: number;
  /** The largest message that a server takes on every other call. */
  readonly controlBytesMax: number;
  /** The largest message that a client takes. */
  readonly answerBytesMax: number;
  /** Calls that one connection may have open. */
  readonly streamsPerConnectionMax: number;
  /** What one stream buffers for sending before `send` says stop. */
  readonly sendBufferBytes: number;
  /** What one stream reads ahead of its reader. */
  readonly receiveBufferBytes: number;
  /** How much a peer may send on one stream before it is read: the receive window of HTTP/2. */
  readonly windowBytes: number;
  /** What all calls of a server may hold: received and not handled, or sent and not taken. */
  readonly heldBytesMax: number;
  /** The same for the calls of one connection. */
  readonly connectionHeldBytesMax: number;
  /** The largest list of headers of one call. */
  readonly headerListBytesMax: number;
  /** What one connection may hold in the HTTP/2 library, in MiB; above it new calls are refused. */
  readonly connectionMemoryMiB: number;
  /** A connection without calls is closed after this long. */
  readonly idleConnectionMs: number;
  /** A silent connection is probed after this long… */
  readonly keepaliveMs: number;
  /** …and is dead when it has not answered for this long. */
  readonly keepaliveTimeoutMs: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/** Limits for batches of up to `batchBytesMax`: a frame may be 64 KiB larger. */
export const limitsFor = (batchBytesMax: number): Limits => ({
  frameBytesMax: batchBytesMax + 64 * KiB,
  controlBytesMax: 64 * KiB,
  answerBytesMax: 16 * MiB,
  streamsPerConnectionMax: 256,
  sendBufferBytes: MiB,
  receiveBufferBytes: 256 * KiB,
  windowBytes: 4 * MiB,
  heldBytesMax: 160 * MiB,
  connectionHeldBytesMax: 80 * MiB,
  headerListBytesMax: 16 * KiB,
  connectionMemoryMiB: 256,
  idleConnectionMs: 15 * 60_000,
  keepaliveMs: 10_000,
  keepaliveTimeoutMs: 5_000,
});

/** Limits for batches of up to 1 MiB. */
export const defaultLimits: Limits = limitsFor(MiB);
