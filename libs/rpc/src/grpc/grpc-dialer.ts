import { type ChannelOptions, Channel as LibraryChannel, Metadata } from '@grpc/grpc-js';
import type { Clock, Timers } from '@moldau/kernel';
import type { Limits } from '../limits.ts';
import type { CallHead, RawChannel, RawClientStream, RawListener } from '../raw-stream.ts';
import type { Channel, ChannelPurpose, Dialer } from '../transport.ts';
import { WireChannel } from '../wire-channel.ts';
import { forwardedKey } from './forwarded-header.ts';
import { GrpcClientStream } from './grpc-client-stream.ts';
import { GrpcConnections } from './grpc-connections.ts';
import { silenceLibrary } from './library-log.ts';
import { type ClientTls, clientCredentials } from './tls.ts';

/** What a dialer needs. */
export interface GrpcDialerOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: Limits;
  readonly tls?: ClientTls | undefined;
  /** Sent as a bearer token with every call. */
  readonly token?: string | undefined;
  /** Told how many bytes each message has that came in or goes out. */
  readonly onMoved?: ((bytes: number) => void) | undefined;
}

/** Opens channels over sockets. Each has TCP connections of its own, so bulk data never delays control. */
export class GrpcDialer implements Dialer {
  readonly #options: GrpcDialerOptions;

  constructor(options: GrpcDialerOptions) {
    silenceLibrary();
    this.#options = options;
  }

  dial(address: string, purpose: ChannelPurpose): Channel {
    return new WireChannel(
      new GrpcRawChannel(address, purpose, this.#options),
      this.#options.limits,
      this.#options.timers,
    );
  }
}

class GrpcRawChannel implements RawChannel {
  readonly address: string;
  readonly #clock: Clock;
  readonly #connections: GrpcConnections;
  readonly #metadata = new Metadata();
  readonly #forwardedMetadata: Metadata;
  readonly #onMoved: GrpcDialerOptions['onMoved'];

  constructor(address: string, purpose: ChannelPurpose, options: GrpcDialerOptions) {
    const { clock, limits, tls, token } = options;
    this.address = address;
    this.#clock = clock;
    this.#onMoved = options.onMoved;
    const credentials = clientCredentials(tls);
    const library = channelOptions(limits, purpose, tls);
    const { streamsPerConnectionMax } = limits;
    this.#connections = new GrpcConnections(
      streamsPerConnectionMax,
      () => new LibraryChannel(address, credentials, library),
    );
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    this.#forwardedMetadata = this.#metadata.clone();
    this.#forwardedMetadata.set(forwardedKey, '1');
  }

  open({ path, timeoutMs, forwarded }: CallHead, listener: RawListener): RawClientStream {
    const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.wallMs() + timeoutMs;
    const connection = this.#connections.take();
    const call = connection.channel.createCall(path, deadline, null, null, null);
    const metadata = forwarded ? this.#forwardedMetadata : this.#metadata;
    return new GrpcClientStream(call, metadata, listener, {
      moved: this.#onMoved,
      over: () => this.#connections.giveBack(connection),
    });
  }

  close(): void {
    this.#connections.close();
  }
}

const channelOptions = (limits: Limits, purpose: ChannelPurpose, tls: ClientTls | undefined): ChannelOptions => ({
  // A pool of its own and a name of its own: no connection is shared with another channel.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.primary_user_agent': `moldau-${purpose}`,
  // Only who knows whether a call is idempotent may repeat it.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3_000,
  'grpc.keepalive_time_ms': limits.keepaliveMs,
  'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
  'grpc.max_send_message_length': limits.answerBytesMax,
  'grpc.max_receive_message_length': limits.answerBytesMax,
  'grpc-node.flow_control_window': limits.windowBytes,
  'grpc-node.max_session_memory': limits.connectionMemoryMiB,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  ...(tls?.serverName === undefined
    ? {}
    : { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
});
