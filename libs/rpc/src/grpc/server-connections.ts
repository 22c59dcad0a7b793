import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream, Settings } from 'node:http2';
import type { Server, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { assert, type Clock } from '@moldau/kernel';
import type { CallBudget } from '../call-budget.ts';
import type { Limits } from '../limits.ts';
import { HeldStream } from './held-stream.ts';

/** Pings that one connection may send within `pingWindowMs`. gRPC clients that measure bandwidth send one a round trip. */
const pingsMax = 1_000;
const pingWindowMs = 10_000;

/**
 * The HTTP/2 connections of a server. The library leaves the receive window at 64 KiB, which holds a client to one window
 * a round trip, answers pings without end, can't break connections off without its tracing, and does not say what it holds;
 * it has no options for that. So three of its private members are used here, and nowhere else. `check` fails at start when
 * a new version has changed the first two, and every call when it has changed the third.
 */
export class ServerConnections {
  readonly #windowBytes: number;
  readonly #clock: Clock;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #streams = new WeakMap<object, HeldStream>();
  #created = 0;

  /** Before the server is bound. */
  constructor(server: Server, budget: CallBudget, { limits, clock }: { limits: Limits; clock: Clock }) {
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
      // Before the library's own listener.
      http2Server.prependListener('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        const isCompressed = (headers['grpc-encoding'] ?? 'identity') !== 'identity';
        this.#streams.set(stream, new HeldStream(stream, budget.open(stream.session), isCompressed));
        // It would unfold all messages of a chunk at once, each to the largest size.
        delete headers['grpc-encoding'];
      });
      this.#created += 1;
      return http2Server;
    });
  }

  /** After the server is bound: whether the library went by here. */
  check(): void {
    assert(this.#created > 0, 'grpc-js made its HTTP/2 server where the receive window is set');
  }

  /** The stream under a call of the library. */
  held(call: ServerInterceptingCallInterface): HeldStream {
    const stream: unknown = Reflect.get(call, 'stream');
    const held = typeof stream === 'object' && stream !== null ? this.#streams.get(stream) : undefined;
    assert(held !== undefined, 'grpc-js keeps the HTTP/2 stream in its call');
    return held;
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
