import type { Http2Server, ServerHttp2Session, Settings } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { assert, type Clock } from '@moldau/kernel';
import type { Limits } from '../limits.ts';

/** Pings that one connection may send within `pingWindowMs`. gRPC clients that measure bandwidth send one a round trip. */
const pingsMax = 1_000;
const pingWindowMs = 10_000;

/**
 * The HTTP/2 connections of a server. The library leaves the receive window at 64 KiB, which holds a client to one window
 * a round trip, answers pings without end, and can't break connections off without its tracing; it has no options for that.
 * So two of its private members are used here, and nowhere else. `check` fails at start when a new version has changed them.
 */
export class ServerConnections {
  readonly #windowBytes: number;
  readonly #clock: Clock;
  readonly #sessions = new Set<ServerHttp2Session>();
  #created = 0;

  /** Before the server is bound. */
  constructor(server: Server, limits: Limits, clock: Clock) {
    this.#windowBytes = limits.windowBytes;
    this.#clock = clock;
    const common: unknown = Reflect.get(server, 'commonServerOptions');
    assert(typeof common === 'object' && common !== null && 'settings' in common, 'grpc-js keeps its HTTP/2 settings');
    const settings: Settings = {
      ...(common.settings as Settings),
      initialWindowSize: limits.windowBytes,
      maxHeaderListSize: limits.headerListBytesMax,
      enablePush: false,
    };
    Reflect.set(common, 'settings', settings);
    const create: unknown = Reflect.get(server, 'createHttp2Server');
    assert(typeof create === 'function', 'grpc-js makes its HTTP/2 servers in one place');
    Reflect.set(server, 'createHttp2Server', (...credentials: unknown[]) => {
      const http2Server = create.apply(server, credentials) as Http2Server;
      http2Server.on('session', (session) => this.#opened(session));
      this.#created += 1;
      return http2Server;
    });
  }

  /** After the server is bound: whether the library went by here. */
  check(): void {
    assert(this.#created > 0, 'grpc-js made its HTTP/2 server where the receive window is set');
  }

  /** Breaks every connection off. */
  destroy(): void {
    for (const session of [...this.#sessions]) session.destroy();
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.setLocalWindowSize(this.#windowBytes);
    assert(
      session.state.effectiveLocalWindowSize === this.#windowBytes,
      'the receive window of the connection is in force',
    );
    let sinceMs = this.#clock.monotonicMs();
    let pings = 0;
    session.on('ping', () => {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - sinceMs > pingWindowMs) {
        sinceMs = nowMs;
        pings = 0;
      }
      pings += 1;
      if (pings > pingsMax) session.destroy();
    });
  }
}
