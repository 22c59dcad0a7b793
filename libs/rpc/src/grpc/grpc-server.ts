import {
  Server,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerOptions,
} from '@grpc/grpc-js';
import type { AssertionFailed, Clock, Logger, Meter, Random, Timers } from '@moldau/kernel';
import { type Authenticate, nodesByCertificate } from '../access.ts';
import { CallBudget } from '../call-budget.ts';
import type { Limits } from '../limits.ts';
import { ServiceHost } from '../service-host.ts';
import type { ServedService } from '../transport.ts';
import { bind, isLoopback } from './bind.ts';
import { GrpcServerStream } from './grpc-server-stream.ts';
import { Health } from './health.ts';
import { silenceLibrary } from './library-log.ts';
import { addReflection } from './reflection.ts';
import { ServerConnections } from './server-connections.ts';
import { serviceDefinition } from './service-definition.ts';
import { type ServerTls, serverCredentials } from './tls.ts';

/** What a gRPC server needs. */
export interface GrpcServerOptions {
  readonly services: readonly ServedService[];
  readonly limits: Limits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly tls?: ServerTls | undefined;
  /** Absent: with mTLS every certificate is a node's; without, everyone may call everything. */
  readonly authenticate?: Authenticate | undefined;
  readonly onAssertion?: ((error: AssertionFailed) => void) | undefined;
  /** Told how many bytes each message has that came in or goes out. */
  readonly onMoved?: ((bytes: number) => void) | undefined;
  /** Bounds what the calls of this server hold, and of those that share it. Absent: one of its own. */
  readonly budget?: CallBudget | undefined;
}

/** Serves over sockets. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #connections: ServerConnections;
  readonly #health: Health;
  readonly #open: boolean;

  constructor(options: GrpcServerOptions) {
    silenceLibrary();
    this.#options = options;
    const authenticate = options.authenticate ?? (options.tls?.clientCa === undefined ? undefined : nodesByCertificate);
    this.#open = authenticate === undefined;
    const host = new ServiceHost({ ...options, authenticate });
    const budget = options.budget ?? new CallBudget(options.limits, options);
    this.#server = new Server(serverOptions(options, (path, call) => this.#accept(host, path, call)));
    this.#connections = new ServerConnections(this.#server, budget, options);
    for (const { service } of options.services) this.#server.addService(serviceDefinition(service), {});
    this.#health = new Health(this.#server, options.services);
    addReflection(this.#server, options.services);
  }

  /** What `grpc.health.v1` says of one service, or of all. Not serving until it is set. */
  setServing(serving: boolean, service?: string): void {
    this.#health.setServing(serving, service);
  }

  /** Listens; port 0 takes a free one. Throws a StartError that says what to do. */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    const { logger, tls } = this.#options;
    const bound = await bind(this.#server, host, port, serverCredentials(tls));
    this.#connections.check();
    if (this.#open && !isLoopback(host)) {
      logger.warn(
        'anyone who reaches this address may do everything: set up TLS with client certificates, or a firewall',
        {
          host,
          port: bound,
        },
      );
    }
    return { host, port: bound };
  }

  /** Takes no new calls, lets open ones end for `graceMs`, then breaks what is left. Sessions must be told in band before. */
  drain(graceMs: number): Promise<void> {
    this.#health.setServing(false);
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(graceMs, () => this.#connections.destroy());
      this.#server.tryShutdown(() => {
        cancel();
        resolve();
      });
    });
  }

  #accept(host: ServiceHost, path: string, call: ServerInterceptingCallInterface): boolean {
    if (!host.serves(path)) return false;
    const held = this.#connections.held(call);
    new GrpcServerStream(call, held, this.#options, (stream, incoming) => host.accept(path, stream, incoming));
    return true;
  }
}

/** Takes a call over. False: it is none of ours. */
type Accept = (path: string, call: ServerInterceptingCallInterface) => boolean;

function serverOptions({ limits }: GrpcServerOptions, accept: Accept): ServerOptions {
  const takeOver: ServerInterceptor = (method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) => {
        if (!accept(method.path, call)) next();
      },
    });
  return {
    interceptors: [takeOver],
    'grpc.max_concurrent_streams': limits.streamsPerConnectionMax,
    // Slightly larger messages than allowed still reach us, and get a typed error.
    'grpc.max_receive_message_length': limits.frameBytesMax + 1024 * 1024,
    'grpc.max_send_message_length': limits.answerBytesMax,
    'grpc.max_connection_idle_ms': limits.idleConnectionMs,
    'grpc.keepalive_time_ms': limits.keepaliveMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    'grpc-node.max_session_memory': limits.connectionMemoryMiB,
    'grpc.enable_channelz': 0,
  };
}
