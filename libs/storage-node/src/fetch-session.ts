import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, faults, hasReason, type MoldauError, repeat, type Timers } from '@moldau/kernel';
import type {
  FetchAdd,
  FetchEntrySchema,
  FetchSeek,
  FetchSessionRequest,
  FetchSessionResponseSchema,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { type CallContext, type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import { FetchHandle } from './fetch-handle.ts';
import type { Partitions } from './partitions.ts';
import { leaderOf } from './wire.ts';

type Response = MessageInitShape<typeof FetchSessionResponseSchema>;
type Entry = MessageInitShape<typeof FetchEntrySchema>;

/** What a fetch session works with. */
export interface FetchSessionPorts {
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The error that may leave the process: what only a bug can cause is logged, and leaves as INTERNAL. */
  readonly seal: (error: unknown) => MoldauError;
}

const maxHandles = 10_000;
/** A frame is filled up to this with the batches of further partitions. */
const frameBytes = 256 * 1024;
/** Handles that may hold bytes from the disk at one time: what a session takes beside its credit. */
const loadsAtOnce = 4;
const tickEveryMs = 500;

/**
 * One client's reads of many partitions. Partitions that have something to send wait in `ready` and are served in turn,
 * so a hot one starves nobody; one that reads from the disk leaves the turn to the others until its bytes are there.
 */
export class FetchStream {
  readonly #session: Session<Response, FetchSessionRequest>;
  readonly #ports: FetchSessionPorts;
  readonly #keeps: CallContext['keeps'];
  readonly #handles = new Map<number, FetchHandle>();
  readonly #liveness: SessionLiveness;
  #ready: FetchHandle[] = [];
  /** Handles that hold bytes from the disk; so many at most, whatever the credit. */
  readonly #loading = new Set<FetchHandle>();
  /** Handles that wait for one of those places, in the order of their coming. */
  readonly #cold = new Set<FetchHandle>();
  #loadedBytes = 0;
  #creditBytes = 0n;
  #congested = false;
  #pumpScheduled = false;

  /** `keeps` hears how many bytes the session has read from the disk and not sent. */
  constructor(session: Session<Response, FetchSessionRequest>, ports: FetchSessionPorts, keeps: CallContext['keeps']) {
    this.#session = session;
    this.#ports = ports;
    this.#keeps = keeps;
    this.#liveness = new SessionLiveness(ports.clock, 'client');
  }

  /** Serves the session until the client has ended it, or until the stream broke. */
  async run(): Promise<void> {
    const cancelTick = repeat(this.#ports.timers, tickEveryMs, () => this.#tick());
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        this.#receive(frame);
      }
      this.#session.end();
    } finally {
      cancelTick();
      for (const handle of this.#handles.values()) handle.close();
    }
  }

  /** Asks the client to go elsewhere. */
  drain(graceMs: number): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  #receive(frame: FetchSessionRequest['frame']): void {
    switch (frame.case) {
      case 'add':
        return this.#add(frame.value);
      case 'remove':
        return this.#remove(frame.value.handle);
      case 'pause':
        return this.#handles.get(frame.value.handle)?.pause();
      case 'resume':
        return this.#handles.get(frame.value.handle)?.resume();
      case 'seek':
        return this.#seek(frame.value);
      case 'credit':
        this.#creditBytes += frame.value.bytes;
        return this.#schedulePump();
      case 'heartbeat':
      case undefined:
        return;
    }
  }

  #add(request: FetchAdd): void {
    const number = request.handle;
    try {
      if (this.#handles.has(number)) throw faults.invalidRequest('handle', `${number} is in use`);
      if (this.#handles.size >= maxHandles)
        throw faults.invalidRequest('handle', `is one too many: at most ${maxHandles} in a session`);
      const partition = this.#ports.partitions.byId(request.topicId, request.partition);
      partition.requireLeader();
      const handle = new FetchHandle(number, partition, request.maxBytes, {
        ready: () => this.#becameReady(handle),
        failed: (error) => this.#fail(handle, error),
        diverged: (epoch, end) => {
          this.#say({ case: 'diverged', value: { handle: number, epoch, endOffset: end } });
          this.#remove(number);
        },
        gap: (from, to) =>
          this.#say({
            case: 'gap',
            value: { handle: number, from, to, reason: gapReason, generation: handle.generation },
          }),
        caughtUp: (at) => this.#say({ case: 'caughtUp', value: { handle: number, at, generation: handle.generation } }),
        keeps: (moreBytes) => {
          this.#loadedBytes += moreBytes;
          this.#keeps(this.#loadedBytes);
        },
        freed: () => this.#serveCold(),
      });
      this.#handles.set(number, handle);
      handle.start(request.from, request.lastEpoch);
    } catch (error) {
      this.#refuse(number, error);
    }
  }

  #seek({ handle: number, to, generation }: FetchSeek): void {
    this.#handles.get(number)?.seek(to, generation);
  }

  #remove(number: number): void {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    handle.close();
    this.#handles.delete(number);
    this.#cold.delete(handle);
    this.#serveCold();
  }

  #fail(handle: FetchHandle, error: unknown): void {
    this.#remove(handle.number);
    this.#refuse(handle.number, error);
  }

  #refuse(handle: number, error: unknown): void {
    if (hasReason(error, 'NOT_LEADER')) this.#say({ case: 'moved', value: { handle, ...leaderOf(error) } });
    else this.#say({ case: 'error', value: { handle, error: toWireError(this.#ports.seal(error)) } });
  }

  #becameReady(handle: FetchHandle): void {
    this.#ready.push(handle);
    this.#schedulePump();
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#congested || this.#creditBytes <= 0n || this.#ready.length === 0) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Sends what is ready, a frame at a time, while there is credit and the client reads. */
  #pump(): void {
    this.#serveCold();
    while (!this.#congested && this.#creditBytes > 0n && this.#ready.length > 0) {
      const entries: Entry[] = [];
      const served: FetchHandle[] = [];
      let bytes = 0;
      while (bytes < frameBytes && this.#creditBytes > 0n) {
        const handle = this.#ready.shift();
        if (handle === undefined) break;
        const entry = handle.take(Math.min(frameBytes - bytes, Number(this.#creditBytes)));
        if (entry === 'cold') this.#load(handle);
        if (entry === 'cold' || entry === undefined) continue;
        bytes += entry.batches.length;
        this.#creditBytes -= BigInt(entry.batches.length);
        entries.push(entry);
        served.push(handle);
      }
      if (entries.length > 0) this.#say({ case: 'batches', value: { entries } });
      // Not while others wait for the disk: whoever has read makes room for them.
      if (this.#cold.size === 0) for (const handle of served) handle.loadAhead();
      for (const handle of served) handle.sent();
      this.#serveCold();
    }
  }

  #load(handle: FetchHandle): void {
    if (this.#loading.size >= loadsAtOnce) this.#cold.add(handle);
    else if (handle.load()) this.#loading.add(handle);
  }

  /** Whoever waits for a place at the disk gets one when another's bytes are gone. */
  #serveCold(): void {
    for (const handle of this.#loading) if (!handle.holdsMemory) this.#loading.delete(handle);
    for (const handle of this.#cold) {
      if (this.#loading.size >= loadsAtOnce) return;
      this.#cold.delete(handle);
      if (handle.load()) this.#loading.add(handle);
    }
  }

  #tick(): void {
    if (this.#liveness.peerIsSilent) this.#session.cancel(faults.notServing('this session', 'silent for too long'));
    if (!this.#liveness.owesHeartbeat) return;
    const positions = [...this.#handles.values()].map((handle) => ({
      handle: handle.number,
      nextOffset: handle.next,
      highWatermark: handle.highWatermark,
    }));
    this.#say({ case: 'heartbeat', value: { positions } });
  }

  #say(frame: Exclude<Response['frame'], undefined>): void {
    this.#liveness.said();
    if (this.#session.send({ frame }) || this.#congested) return;
    this.#congested = true;
    void this.#session.drained().then(() => {
      this.#congested = false;
      this.#schedulePump();
    });
  }
}

const gapReason = 'retention or a trim removed these records before they were read';
