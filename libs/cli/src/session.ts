import { readFileSync } from 'node:fs';
import { type Moldau, open } from '@moldau/client';
import type { ClientTls } from '@moldau/rpc';
import { usage } from './exit-code.ts';
import type { Io } from './io.ts';
import { type GlobalOptions, type Settings, settingsOf } from './settings.ts';

const noticeAfterMs = 1_000;

/** A client for as long as `work` takes. On a terminal it says so when the cluster is slow to answer at all. */
export async function withClient<T>(
  options: GlobalOptions,
  io: Io,
  work: (client: Moldau, settings: Settings) => Promise<T>,
): Promise<T> {
  const { values } = settingsOf(options, io);
  const client = clientOf(values);
  const stopNotice = noticeSilence(client, values, options, io);
  try {
    return await work(client, values);
  } finally {
    stopNotice();
    await client.close();
  }
}

/** A client by the settings. Close it. */
export function clientOf(settings: Settings): Moldau {
  const tls = tlsOf(settings);
  return open({
    endpoints: settings.endpoints ?? '',
    timeout: settings.timeout,
    ...(tls !== undefined && { tls }),
    ...(settings.token !== undefined && { token: settings.token }),
  });
}

/** What the tls settings ask for. `undefined`: plain text. Throws a usage error when a file can't be read. */
export function tlsOf(settings: Settings): ClientTls | undefined {
  const { 'tls.ca': ca, 'tls.cert': cert, 'tls.key': key, 'tls.server.name': serverName } = settings;
  if (ca === undefined && cert === undefined && key === undefined && serverName === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key go together: give both');
  return { ca: read('--tls-ca', ca), cert: read('--tls-cert', cert), key: read('--tls-key', key), serverName };
}

function read(flag: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw usage(`${flag} ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function noticeSilence(client: Moldau, { endpoints, timeout }: Settings, { quiet }: GlobalOptions, io: Io): () => void {
  if (io.stderr.isTTY !== true || quiet === true) return () => {};
  const timer = setTimeout(() => {
    io.stderr.write(`waiting for ${endpoints}: no answer yet, giving up after ${Math.ceil(timeout / 1000)} s\n`);
  }, noticeAfterMs);
  const stop = (): void => clearTimeout(timer);
  // Whether it fails is the business of the command itself.
  client.admin.serverInfo().then(stop, stop);
  return stop;
}
