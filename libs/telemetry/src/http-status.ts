import { createServer, type Server, type ServerResponse } from 'node:http';
import { StartError } from '@moldau/kernel';

/** What the status endpoint shows. */
export interface HttpStatusOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly meter: { render(): Promise<string>; readonly contentType: string };
  /** Undefined: ready. Otherwise why not, in a few words. */
  readonly ready: () => string | undefined;
}

/** A status endpoint that runs. */
export interface HttpStatus {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves `/metrics`, `/healthz` (the process lives) and `/readyz` (it can do its work). Throws a StartError. */
export async function startHttpStatus(options: HttpStatusOptions): Promise<HttpStatus> {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    (request, response) => {
      answer(request.method, request.url ?? '/', response, options).catch(() => respond(response, 500, 'failed\n'));
    },
  );
  server.maxConnections = 64;
  await listening(server, options.host, options.port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  method: string | undefined,
  url: string,
  response: ServerResponse,
  options: HttpStatusOptions,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') {
    respond(response, 405, 'only GET\n');
    return;
  }
  const [path = '/'] = url.split('?');
  switch (path) {
    case '/metrics':
      respond(response, 200, await options.meter.render(), options.meter.contentType);
      return;
    case '/healthz':
      respond(response, 200, 'ok\n');
      return;
    case '/readyz': {
      const problem = options.ready();
      respond(response, problem === undefined ? 200 : 503, `${problem ?? 'ready'}\n`);
      return;
    }
    default:
      respond(response, 404, 'there is /metrics, /healthz and /readyz\n');
  }
}

function respond(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const inUse = 'code' in cause && cause.code === 'EADDRINUSE';
      const todo = inUse
        ? 'is in use: stop what listens there, or choose another port'
        : `can't be used: ${cause.message}`;
      reject(new StartError(`the status endpoint ${host}:${port} ${todo}`, { cause }));
    });
    server.listen(port, host, () => resolve());
  });
}
