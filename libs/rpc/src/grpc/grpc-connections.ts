import type { Channel as LibraryChannel } from '@grpc/grpc-js';

/** One TCP connection, and the calls that are open on it. */
interface GrpcConnection {
  readonly channel: LibraryChannel;
  calls: number;
}

/** Calls of a connection that are left free: the server counts one for a moment longer than we do. */
const spareCalls = 64;

/**
 * The connections of one channel: mostly one, and another for every so many calls that are open at one time, since a server takes
 * no more than so many on each. A call stays where it was opened.
 */
export class GrpcConnections {
  readonly #callsMax: number;
  readonly #open: () => LibraryChannel;
  #connections: GrpcConnection[];

  /** `callsMax`: that a server takes on one connection. */
  constructor(callsMax: number, open: () => LibraryChannel) {
    this.#callsMax = Math.max(1, callsMax - spareCalls);
    this.#open = open;
    this.#connections = [{ channel: open(), calls: 0 }];
  }

  /** The first with room, for a call that is about to be opened. To be given back when that is over. */
  take(): GrpcConnection {
    let connection = this.#connections.find(({ calls }) => calls < this.#callsMax);
    if (connection === undefined) {
      connection = { channel: this.#open(), calls: 0 };
      this.#connections.push(connection);
    }
    connection.calls += 1;
    return connection;
  }

  /** A call is over. A connection without any is closed, unless the others are almost full. */
  giveBack(connection: GrpcConnection): void {
    connection.calls -= 1;
    const others = this.#connections.filter((other) => other !== connection);
    const room = others.reduce((sum, { calls }) => sum + this.#callsMax - calls, 0);
    if (connection.calls > 0 || room < spareCalls || !this.#connections.includes(connection)) return;
    this.#connections = others;
    connection.channel.close();
  }

  close(): void {
    for (const { channel } of this.#connections) channel.close();
  }
}
