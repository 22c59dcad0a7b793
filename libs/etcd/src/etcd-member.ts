import { MoldauError, type Timers, whyUnconnected } from '@moldau/kernel';
import { storeUnavailable } from '@moldau/metadata';
import {
  AuthClient,
  type ICallable,
  type IDuplexStream,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IWatchRequest,
  type IWatchResponse,
  KVClient,
  LeaseClient,
  MaintenanceClient,
  WatchClient,
} from 'etcd3';
import { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import { type CallFailure, EtcdRefusal, failureOf, isRefusal } from './answers.ts';
import type { EtcdLogin } from './etcd-login.ts';

export type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;
export type KeepAliveStream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

type Service = Parameters<ConnectionPool['exec']>[0];
type Connection = Parameters<Parameters<ConnectionPool['withConnection']>[1]>[0];
type Wire = Pick<Connection, 'client' | 'metadata'>;
type Answer<T> = { readonly value: T } | { readonly error: Error };

/** How long a member may take for an answer. */
export const answerMs = 5_000;
export const noAnswer = `no answer in ${answerMs} ms`;

/** A page of a listing that is larger is asked for again in smaller ones; a piece of a watch is never near it. */
const answerBytesMax = 16 * 1024 * 1024;

/** What may be under way on a stream: the default is spent in less than the way there and back. */
const windowBytes = 1024 * 1024;

const connectionOptions: NonNullable<IOptions['grpcOptions']> = {
  // The calls of one service do not wait behind those of another, and closing ends the connection.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  // Finds a connection that is half-open. etcd takes a ping every 5 s at most.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3_000,
  'grpc.max_receive_message_length': answerBytesMax,
  'grpc-node.flow_control_window': windowBytes,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

const closed = (): Error => storeUnavailable('it is closed');

/** What a member needs of those around it. */
export interface MemberPorts {
  readonly timers: Timers;
  readonly login: EtcdLogin;
  /** Aborted when the store is closed. */
  readonly closing: AbortSignal;
  /** It did not answer: somebody else may. */
  readonly onSilent: (member: EtcdMember, problem: string) => void;
}

/**
 * One address of etcd. Takes the place of the library's own way of calling, for that repeats calls up to three times,
 * writes included, waits for ever, takes errors for others and closes connections that are in use. Here a call is sent
 * once, has its time, and fails with STORE_UNAVAILABLE.
 */
export class EtcdMember implements ICallable<EtcdMember> {
  readonly address: string;
  readonly callOptionsFactory = undefined;
  readonly kv = new KVClient(this);
  readonly lease = new LeaseClient(this);
  readonly maintenance = new MaintenanceClient(this);
  readonly auth = new AuthClient(this);
  readonly #watch = new WatchClient(this);
  readonly #pool: ConnectionPool;
  readonly #ports: MemberPorts;

  constructor(address: string, credentials: IOptions['credentials'], ports: MemberPorts) {
    this.address = address;
    this.#ports = ports;
    this.#pool = new ConnectionPool({
      hosts: address,
      grpcOptions: connectionOptions,
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  /** Sends a request once. One that was refused for the login's sake has done nothing, and is sent with a new one. */
  async exec<T>(service: Service, method: string, request: unknown): Promise<T> {
    const { login } = this.#ports;
    if (service === 'Auth') return this.#send<T>(service, method, request, undefined);
    const token = login.token(this);
    try {
      return await this.#send<T>(service, method, request, await token);
    } catch (error) {
      if (!login.isUsed || !isRefusal(error, 'login-needed')) throw error;
      login.forget(token);
      return await this.#send<T>(service, method, request, await login.token(this));
    }
  }

  /** Opens a stream for one watch. It fails by its `error` event: see `streamFailed`. */
  openWatch(): Promise<WatchStream> {
    return this.#watch.watch();
  }

  /** Opens a stream to keep leases alive. It fails by its `error` event: see `streamFailed`. */
  openKeepAlive(): Promise<KeepAliveStream> {
    return this.lease.leaseKeepAlive();
  }

  /**
   * What a stream has failed with; not one that was cancelled here. Before 3.5, etcd says of a watch only that it is
   * denied, where in truth the login has expired.
   */
  streamFailed(error: Error & Partial<CallFailure>): Error {
    const failure = this.#failed(error);
    if (isRefusal(failure, 'login-needed') || isRefusal(failure, 'denied')) this.#ports.login.forgetAny();
    return failure;
  }

  /** It did not answer, or not in time. */
  silent(problem: string, cause?: unknown): Error {
    this.#ports.onSilent(this, problem);
    return storeUnavailable(`etcd at ${this.address}: ${problem}`, cause);
  }

  close(): void {
    this.#pool.close();
  }

  /** For the library's own use. */
  async withConnection<R>(
    service: Service,
    use: (connection: Wire & { resource: EtcdMember }) => R | Promise<R>,
  ): Promise<R> {
    const token = await this.#ports.login.token(this);
    return this.#connect(service, token, (connection) => use({ resource: this, ...connection }));
  }

  /** For the library's own use: whoever holds the stream hears of its end. */
  markFailed(): void {}

  #failed(error: Error & Partial<CallFailure>): Error {
    const details = error.details ?? error.message;
    const why = whyUnconnected(`etcd at ${this.address}`, details);
    if (why !== undefined) return this.#unconnected(why, error);
    const failure = failureOf(this.address, { code: error.code ?? 0, details }, error);
    return failure instanceof EtcdRefusal ? failure : this.silent(details, error);
  }

  /** Nothing was sent: what there is to say is what listens there, and not that something may have happened. */
  #unconnected(why: string, cause: unknown): Error {
    this.#ports.onSilent(this, why);
    return new MoldauError('STORE_UNAVAILABLE', `the metadata store can't be asked: ${why}`, {}, { cause });
  }

  async #connect<R>(
    service: Service,
    token: string | undefined,
    use: (connection: Wire) => Promise<R> | R,
  ): Promise<R> {
    if (this.#ports.closing.aborted) throw closed();
    return this.#pool.withConnection(service, ({ client, metadata }) => {
      // A member that is cut off from the others says so, and does not serve what it last knew.
      metadata.set('hasleader', 'true');
      if (token !== undefined) metadata.set('token', token);
      return use({ client, metadata });
    });
  }

  async #send<T>(service: Service, method: string, request: unknown, token: string | undefined): Promise<T> {
    // A failure goes past the library as a value: at the sight of it, it would close connections that others use.
    const answer = await this.#connect(service, token, (connection) => this.#ask<T>(connection, method, request));
    if ('error' in answer) throw answer.error;
    return answer.value;
  }

  #ask<T>({ client, metadata }: Wire, method: string, request: unknown): Promise<Answer<T>> {
    const { timers, closing } = this.#ports;
    return new Promise((resolve) => {
      let isOver = false;
      const end = (answer: () => Answer<T>): void => {
        if (isOver) return;
        isOver = true;
        cancelTimer();
        closing.removeEventListener('abort', onClosing);
        resolve(answer());
      };
      const giveUp = (error: () => Error): void => {
        end(() => ({ error: error() }));
        call.cancel();
      };
      const onClosing = (): void => giveUp(closed);
      // By our timers: a deadline of the library follows the wall clock, and that jumps.
      const cancelTimer = timers.after(answerMs, () => giveUp(() => this.silent(noAnswer)));
      const send: (...args: unknown[]) => { cancel(): void } = Reflect.get(client, method);
      const call = send.call(client, request, metadata, {}, (error: (Error & CallFailure) | null, value: T) =>
        end(() => (error === null ? { value } : { error: this.#failed(error) })),
      );
      closing.addEventListener('abort', onClosing);
    });
  }
}
