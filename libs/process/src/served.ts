import type { Millis } from '@moldau/kernel';
import { GrpcServer, type Limits, type ServedService } from '@moldau/rpc';
import { advertisedAddress, type ProcessSettings } from './process-settings.ts';
import type { ProcessWorld } from './program.ts';
import type { Tls } from './tls-files.ts';

/** The gRPC server of a process, listening. */
export interface Served {
  readonly host: string;
  readonly port: number;
  /** Where others reach it. */
  readonly address: string;
  /** The health service says yes from now on. */
  ready(): void;
  drain(graceMs: Millis): Promise<void>;
}

/** How a process serves. */
export interface ServedOptions {
  readonly limits: Limits;
  readonly tls: Tls;
  readonly world: ProcessWorld;
  /** Told how many bytes each message has that came in or goes out. */
  readonly onMoved?: (bytes: number) => void;
}

/** Listens where the settings say. Throws a StartError that says what to do. */
export async function serveServices(
  services: readonly ServedService[],
  settings: ProcessSettings,
  { limits, tls, world, onMoved }: ServedOptions,
): Promise<Served> {
  const server = new GrpcServer({ ...world, limits, services, tls: tls.server, onMoved });
  const { host, port } = await server.listen(settings['listen.host'], settings['listen.port']);
  return {
    host,
    port,
    address: advertisedAddress(settings, port),
    ready: () => server.setServing(true),
    drain: (graceMs) => server.drain(graceMs),
  };
}
