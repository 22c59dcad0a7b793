import { type Clock, faults, type Logger } from '@moldau/kernel';
import { CallMemory } from './call-memory.ts';
import type { Limits } from './limits.ts';

/** What a budget needs. */
export interface BudgetPorts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The calls of one connection, and what they hold together. */
interface Connection {
  readonly calls: Set<CallMemory>;
  heldBytes: number;
}

/** Above this part of a limit streams buffer as little as they can… */
const shortPart = 1 / 2;
/** …and above this no call is opened for whoever holds much. When the limit is passed, calls are ended down to here. */
const calmPart = 3 / 4;

/**
 * Bounds what all calls of a server hold: what came in and nobody has handled yet, and what goes out and the peer has not
 * taken. Flow control bounds each stream; a thousand streams that stand still are bounded here. When the limit of a
 * connection or of the server is passed, the calls that hold most are ended with OVERLOADED; the others go on.
 */
export class CallBudget {
  readonly #limits: Limits;
  readonly #ports: BudgetPorts;
  readonly #connections = new Map<unknown, Connection>();
  readonly #overflowing = new Set<Connection>();
  #heldBytes = 0;
  #reliefScheduled = false;

  constructor(limits: Limits, ports: BudgetPorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The memory of a new call; `key` stands for its connection. Whoever asks ends it when nothing of the call is left. */
  open(key: unknown): CallMemory {
    const connection = this.#connections.get(key) ?? { calls: new Set(), heldBytes: 0 };
    this.#connections.set(key, connection);
    const call: CallMemory = new CallMemory(this.#ports.clock, {
      changed: (bytes) => this.#changed(connection, bytes),
      ended: () => {
        connection.calls.delete(call);
        if (connection.calls.size === 0) this.#connections.delete(key);
      },
      requireRoom: () => this.#requireRoom(connection),
      isShort: () => this.#isShort(connection),
    });
    connection.calls.add(call);
    return call;
  }

  #isShort({ heldBytes }: Connection): boolean {
    const { heldBytesMax, connectionHeldBytesMax } = this.#limits;
    return this.#heldBytes > shortPart * heldBytesMax || heldBytes > shortPart * connectionHeldBytesMax;
  }

  /** When memory is short, whoever holds more than an even share of it gets no more. */
  #requireRoom({ heldBytes }: Connection): void {
    const { heldBytesMax, connectionHeldBytesMax } = this.#limits;
    if (heldBytes > calmPart * connectionHeldBytesMax) throw connectionFull(connectionHeldBytesMax);
    const hasMuch = heldBytes > heldBytesMax / this.#connections.size;
    if (this.#heldBytes > (hasMuch ? calmPart : 1) * heldBytesMax) throw serverFull(heldBytesMax);
  }

  #changed(connection: Connection, bytes: number): void {
    this.#heldBytes += bytes;
    connection.heldBytes += bytes;
    if (bytes <= 0) return;
    const { heldBytesMax, connectionHeldBytesMax } = this.#limits;
    if (connection.heldBytes > connectionHeldBytesMax) this.#overflowing.add(connection);
    else if (this.#heldBytes <= heldBytesMax) return;
    if (this.#reliefScheduled) return;
    this.#reliefScheduled = true;
    // Not at once: whoever holds more is in the middle of something.
    queueMicrotask(() => {
      this.#reliefScheduled = false;
      this.#relieve();
    });
  }

  #relieve(): void {
    const { heldBytesMax, connectionHeldBytesMax } = this.#limits;
    let ended = 0;
    for (const connection of this.#overflowing) {
      const isOver = (): boolean => connection.heldBytes > calmPart * connectionHeldBytesMax;
      ended += this.#endWorst(connection.calls, isOver, () => connectionFull(connectionHeldBytesMax));
    }
    this.#overflowing.clear();
    if (this.#heldBytes > heldBytesMax) {
      const calls = [...this.#connections.values()].flatMap((connection) => [...connection.calls]);
      const isOver = (): boolean => this.#heldBytes > calmPart * heldBytesMax;
      ended += this.#endWorst(calls, isOver, () => serverFull(heldBytesMax));
    }
    if (ended > 0) {
      this.#ports.logger.warn('calls were ended, because they held too much memory', {
        calls: ended,
        heldBytes: this.#heldBytes,
      });
    }
  }

  /** Ends calls, the worst first, until it is no longer over; returns how many. */
  #endWorst(calls: Iterable<CallMemory>, isOver: () => boolean, error: () => ReturnType<typeof serverFull>): number {
    const nowMs = this.#ports.clock.monotonicMs();
    const weighed = Array.from(calls, (call) => ({ call, weight: call.weightAt(nowMs) }));
    let ended = 0;
    for (const { call, weight } of weighed.sort((a, b) => b.weight - a.weight)) {
      if (weight === 0 || !isOver()) break;
      if (call.cut(error())) ended += 1;
    }
    return ended;
  }
}

const serverFull = (limitBytes: number) => faults.overloaded('the memory of this server for calls', limitBytes);
const connectionFull = (limitBytes: number) =>
  faults.overloaded('the memory of this server for one connection', limitBytes);
