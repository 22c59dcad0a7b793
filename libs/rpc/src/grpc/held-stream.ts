import { constants, type ServerHttp2Stream } from 'node:http2';
import type { CallMemory } from '../call-memory.ts';

/** What a chunk costs beside its bytes: a peer may send a message in frames of one byte. */
const chunkCostBytes = 512;
/**
 * A chunk is a view of all that one read of the socket brought. One that is so much smaller is copied, so as not to keep the
 * rest; where memory is short, every one that is smaller at all.
 */
const viewPart = 8;
/** Small chunks of one stream are copied into pieces of this size: shared with other streams, each might keep all of it. */
const pieceBytes = 4 * 1024;
/** The flag and the length before each message. */
const prefixBytes = 5;
/** What the library's own services may keep for a byte of a request: answers as objects, without a limit. */
const servedByLibraryFactor = 32;

/**
 * Counts what arrives on an HTTP/2 stream and is not yet a message that someone was given. The library keeps it in three
 * places, and tells of none: bytes that are not read, parts of a message, and messages that are not asked for.
 */
export class HeldStream {
  readonly memory: CallMemory;
  /** The client wants to send compressed messages. */
  readonly isCompressed: boolean;
  readonly #stream: ServerHttp2Stream;
  #piece = Buffer.alloc(0);
  #pieceUsed = 0;
  #chunks = 0;
  #factor = servedByLibraryFactor;
  #discards = false;

  /** Before the library has seen the stream. */
  constructor(stream: ServerHttp2Stream, memory: CallMemory, isCompressed: boolean) {
    this.#stream = stream;
    this.memory = memory;
    this.isCompressed = isCompressed;
    memory.onCut(() => {
      this.reset();
      return true;
    });
    const { push } = stream;
    stream.push = (chunk: Buffer | null, encoding?: BufferEncoding) =>
      push.call(stream, chunk === null ? chunk : this.#arrived(chunk), encoding);
    stream.once('close', () => memory.end());
  }

  /** The call is one of ours: what is delivered is counted off. Before anything has arrived. */
  takenOver(): void {
    this.#factor = 1;
    this.#stream.on('data', () => {
      this.#chunks += 1;
    });
  }

  /** A message of so many bytes was given to its reader: it, and the chunks that it came in, are no longer here. */
  delivered(bytes: number): void {
    this.memory.received.free(bytes + prefixBytes + this.#chunks * chunkCostBytes);
    this.#chunks = 0;
  }

  /** What still arrives is thrown away. */
  discard(): void {
    this.#discards = true;
  }

  /** Whether something waits that the peer has not taken. */
  get hasUnsent(): boolean {
    return this.#stream.writableLength > 0;
  }

  /** Breaks the stream off, and frees what it holds. */
  reset(): void {
    if (this.#stream.destroyed) return;
    this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#stream.destroy();
  }

  #arrived(chunk: Buffer): Buffer {
    if (this.#discards) return chunk;
    this.memory.received.hold(chunk.length * this.#factor + chunkCostBytes);
    if (chunk.length * (this.memory.isShort ? 1 : viewPart) >= chunk.buffer.byteLength) return chunk;
    if (this.#pieceUsed + chunk.length > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(Math.max(chunk.length, pieceBytes));
      this.#pieceUsed = 0;
    }
    const start = this.#pieceUsed;
    this.#pieceUsed += chunk.copy(this.#piece, start);
    return this.#piece.subarray(start, this.#pieceUsed);
  }
}
