import { hostname } from 'node:os';
import { defineConfig, integer, oneOf, optional, text, type Values } from '@moldau/config';
import { logLevels } from '@moldau/telemetry';
import type { TelemetryOptions } from './telemetry.ts';

/** An address, as host:port. */
const addressForm = 'host:port';
const addressPattern = /^\S+:\d{1,5}$/;

/** Several addresses. */
export const addresses = (doc: string) =>
  text({ doc, pattern: /^\S+:\d{1,5}(,\S+:\d{1,5})*$/, form: 'host:port, or several of them with commas' });

/** What every service takes. `port` is where it listens by default. */
export const processSettings = (port: number) =>
  defineConfig({
    'listen.host': text({
      default: '127.0.0.1',
      doc: 'The address on which it listens. `0.0.0.0` is all of them: anyone who reaches it may do everything, unless TLS with client certificates is set up.',
    }),
    'listen.port': integer({
      default: port,
      min: 0,
      max: 65_535,
      doc: 'The port of its gRPC services. 0: a free one.',
    }),
    'advertised.address': optional(
      text({
        pattern: addressPattern,
        form: addressForm,
        doc: "Where clients and the other processes reach it. Default: the port it listens on, at the address it listens on or, where that is all of them, at the machine's name.",
      }),
    ),
    'http.port': integer({
      default: 9464,
      min: 0,
      max: 65_535,
      doc: 'The port of `/metrics`, `/healthz` and `/readyz`, on the address it listens on. 0: a free one.',
    }),
    'log.level': oneOf(logLevels, { default: 'info', doc: 'The least important messages that are logged.' }),
    'log.format': oneOf(['json', 'pretty'], { default: 'json', doc: 'JSON lines, or short text for a person.' }),
    'tls.cert': optional(
      text({ doc: 'A file with its certificate (PEM). It serves TLS then, and shows it to others.' }),
    ),
    'tls.key': optional(text({ doc: 'A file with the key (PEM) of that certificate.' })),
    'tls.ca': optional(
      text({ doc: 'A file with the certificates (PEM) that it trusts. Clients must show one that these have signed.' }),
    ),
  });

export type ProcessSettings = Values<ReturnType<typeof processSettings>>;

/** Where others reach a service that listens on this port. */
export function advertisedAddress(settings: ProcessSettings, port: number): string {
  const { 'listen.host': host, 'advertised.address': given } = settings;
  if (given !== undefined) return given;
  return `${host === '0.0.0.0' || host === '::' ? hostname() : host}:${port}`;
}

export const addressList = (addresses: string): string[] => addresses.split(',');

/** How the settings want the process watched. */
export const telemetryOf = (settings: ProcessSettings): TelemetryOptions => ({
  level: settings['log.level'],
  prettyLog: settings['log.format'] === 'pretty',
  http: { host: settings['listen.host'], port: settings['http.port'] },
});
