import { createServer as httpServer } from 'node:http';
import { type AddressInfo, createServer as netServer, type Server, type Socket } from 'node:net';
import { createServer as tlsServer } from 'node:tls';

/** What may listen at an address that somebody mistook for one of ours. */
export type StrangerKind = 'http' | 'tls' | 'silent';

const ignoreErrors = (socket: Socket): unknown => socket.on('error', () => {});

const servers: Readonly<Record<StrangerKind, () => Server>> = {
  http: () => httpServer((_, response) => response.writeHead(404).end('nothing here')),
  // It has no certificate to show; whoever speaks no TLS is cut off, as at every such port.
  tls: () => tlsServer().on('tlsClientError', () => {}),
  silent: () => netServer(),
};

/** A server on a port of its own that is none of ours. */
export class Stranger {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(kind: StrangerKind): Promise<Stranger> {
    const server = servers[kind]();
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      ignoreErrors(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Stranger(server, sockets);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
