import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { StartError } from '@moldau/kernel';

/** Binds the server and returns the port. Throws a StartError that says what to do. */
export function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new StartError(explain(address, port, error.message), { cause: error }));
    });
  });
}

function explain(address: string, port: number, problem: string): string {
  if (problem.includes('EADDRINUSE')) return `${address} is in use: stop what listens there, or choose another port`;
  if (problem.includes('EACCES'))
    return `no right to listen on ${address}: choose a port above 1023 instead of ${port}`;
  if (problem.includes('EADDRNOTAVAIL'))
    return `${address} is no address of this machine: listen on 127.0.0.1 or 0.0.0.0`;
  return `can't listen on ${address}: ${problem}`;
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || host.startsWith('127.');
