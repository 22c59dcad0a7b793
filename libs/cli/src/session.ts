import { readFileSync } from 'node:fs';
import { type Moldau, open } from '@moldau/client';
import { formatDuration } from '@moldau/config';
import { hasReason, MoldauError, silentLogger } from '@moldau/kernel';
import type { ClientTls } from '@moldau/rpc';
import { usage } from './exit-code.ts';
import type { Io } from './io.ts';
import { lineStart } from './progress.ts';
import { type GlobalOptions, type Settings, settingsOf } from './settings.ts';

/** Whoever has not done by then asks whether anybody is there, for as long again: a script that is quick asks nothing. */
const patienceMs = 1_000;

/** A client for as long as `work` takes. Says so, in a pipe too, when nobody answers. */
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
  } catch (error) {
    throw explained(error, options, io);
  } finally {
    stopNotice();
    await client.close();
  }
}

/** The error for one who has said nowhere where the cluster is: with the ways out. Other errors as they are. */
export function explained(error: unknown, options: GlobalOptions, io: Io): unknown {
  if (!hasReason(error, 'UNREACHABLE')) return error;
  const { values, sources } = settingsOf(options, io);
  if (sources.endpoints !== 'default' || error.fields.address !== values.endpoints) return error;
  const text = `${error.message.replace(/: is a server running there\?$/, '')}: ${startOne}`;
  return new MoldauError(error.reason, text, error.fields, { cause: error });
}

const startOne = 'start one with `moldau dev`, or say with -s where it is';

/** A client by the settings. Close it. */
export function clientOf(settings: Settings): Moldau {
  const tls = tlsOf(settings);
  return open({
    endpoints: settings.endpoints ?? '',
    timeout: settings.timeout,
    // This process does nothing else, and says itself what goes wrong.
    collectEarly: true,
    logger: silentLogger,
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
  if (quiet === true) return () => {};
  let isOver = false;
  const ask = async (): Promise<void> => {
    try {
      await client.admin.serverInfo({ timeout: patienceMs });
    } catch (error) {
      if (isOver) return;
      const reason = hasReason(error, 'UNREACHABLE') ? error.message : `no answer from ${endpoints} yet`;
      io.stderr.write(`${lineStart(io)}waiting: ${reason} (giving up after ${formatDuration(timeout)})\n`);
    }
  };
  const timer = setTimeout(() => void ask(), patienceMs);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
