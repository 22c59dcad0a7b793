import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `up`: from clients to the target. `down`: back to them. */
export type Direction = 'up' | 'down';

type Pair = { readonly client: Socket; readonly target: Socket };

/** A TCP proxy on a port of its own, for all that can go wrong with a connection. */
export class TcpProxy {
  readonly port: number;
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #stalled = new Set<Direction>();
  readonly #taps = new Set<(reply: Buffer) => void>();
  #dropsReplies = false;

  private constructor(server: Server, port: number, targetPort: number) {
    this.#server = server;
    this.port = port;
    this.#targetPort = targetPort;
    server.on('connection', (client) => this.#join(client));
  }

  /** A proxy to a port of this machine. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, (server.address() as AddressInfo).port, targetPort);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Lets nothing through, or one way only: what is sent waits, in connections that are there and in new ones. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? (['up', 'down'] as const) : directions) {
      this.#stalled.add(direction);
    }
    for (const pair of this.#pairs) this.#steer(pair);
  }

  /** Throws away what the target answers, in connections that are there and in new ones: it is heard by nobody. */
  dropReplies(): void {
    this.#dropsReplies = true;
  }

  /** Lets everything through again. After `dropReplies` the connections that lack bytes are reset. */
  resume(): void {
    if (this.#dropsReplies) this.reset();
    this.#dropsReplies = false;
    this.#stalled.clear();
    for (const pair of this.#pairs) this.#steer(pair);
  }

  /** Ends all connections with a reset. */
  reset(): void {
    for (const { client, target } of this.#pairs) {
      client.resetAndDestroy();
      target.destroy();
    }
    this.#pairs.clear();
  }

  /** Resets all connections, and refuses new ones. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.reset();
    await closed;
  }

  /** Takes connections again, on the same port. */
  async accept(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Calls with each piece of an answer, before it is passed on. Returns what ends it. */
  tapReplies(listener: (reply: Buffer) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #join(client: Socket): void {
    const target = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pair = { client, target };
    this.#pairs.add(pair);
    this.#pass(client, target, 'up');
    this.#pass(target, client, 'down');
    const part = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) socket.on('error', part).on('close', part);
    this.#steer(pair);
  }

  #pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (bytes: Buffer) => {
      if (direction === 'down') {
        if (this.#dropsReplies) return;
        for (const tap of this.#taps) tap(bytes);
      }
      if (!to.write(bytes)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#stalled.has(direction)) from.resume();
    });
    from.on('end', () => to.end());
  }

  #steer({ client, target }: Pair): void {
    if (this.#stalled.has('up')) client.pause();
    else client.resume();
    if (this.#stalled.has('down')) target.pause();
    else target.resume();
  }
}
