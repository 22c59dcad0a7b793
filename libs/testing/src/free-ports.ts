import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/**
 * Ports of this machine that nobody uses now, all taken at once so that they differ. Between this and their use somebody
 * else may take one: whoever starts a server on it tries again when it is in use.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
