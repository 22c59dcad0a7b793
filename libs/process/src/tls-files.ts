import { readFileSync } from 'node:fs';
import { StartError } from '@moldau/kernel';
import type { ClientTls, ServerTls } from '@moldau/rpc';
import type { ProcessSettings } from './process-settings.ts';

/** How a process shows itself to those who call it, and to those whom it calls. */
export interface Tls {
  readonly server: ServerTls | undefined;
  readonly client: ClientTls | undefined;
}

/** Throws a StartError where one of two settings is missing. */
export function checkTls({ 'tls.cert': certPath, 'tls.key': keyPath }: ProcessSettings): void {
  if ((certPath === undefined) !== (keyPath === undefined)) {
    throw new StartError('tls.cert and tls.key go together: set both, or none');
  }
}

/** Reads what checked settings name. Throws a StartError that names the file. */
export function readTls(settings: ProcessSettings): Tls {
  const { 'tls.cert': certPath, 'tls.key': keyPath, 'tls.ca': caPath } = settings;
  const cert = readFileOf('tls.cert', certPath);
  const key = readFileOf('tls.key', keyPath);
  const ca = readFileOf('tls.ca', caPath);
  const server = cert === undefined || key === undefined ? undefined : { cert, key, clientCa: ca };
  return { server, client: server === undefined && ca === undefined ? undefined : { cert, key, ca } };
}

/** The file that a setting names. Throws a StartError that names both. */
export function readFileOf(setting: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new StartError(`${setting} ${path} can't be read: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
