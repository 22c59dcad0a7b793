import { type Logger, type Meter, silentMeter } from '@moldau/kernel';
import { createLogger, PrometheusMeter, startHttpStatus } from '@moldau/telemetry';

/** How a cluster of one process is watched. */
export interface DevTelemetryOptions {
  /** Short lines for a person instead of JSON. */
  readonly prettyLog: boolean;
  /** Where `/metrics`, `/healthz` and `/readyz` are served; port 0 takes a free one. `undefined`: nowhere. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
}

/** What watches a cluster of one process. */
export interface DevTelemetry {
  readonly logger: Logger;
  readonly meter: Meter;
  /** The port of the status endpoint, where there is one. */
  readonly httpPort: number | undefined;
  /** From now on `/readyz` says yes. */
  markReady(): void;
  close(): Promise<void>;
}

/** Opens a log of warnings on standard error and, where one is asked for, the status endpoint. Throws a StartError. */
export async function startDevTelemetry({ prettyLog, http }: DevTelemetryOptions): Promise<DevTelemetry> {
  const logger = createLogger({ level: 'warn', pretty: prettyLog });
  if (http === undefined) {
    return { logger, meter: silentMeter, httpPort: undefined, markReady: () => {}, close: async () => {} };
  }
  let isReady = false;
  const meter = new PrometheusMeter();
  const status = await startHttpStatus({ ...http, meter, ready: () => (isReady ? undefined : 'starting') });
  return {
    logger,
    meter,
    httpPort: status.port,
    markReady: () => {
      isReady = true;
    },
    close: () => status.close(),
  };
}
