import { type Logger, type Meter, silentMeter } from '@moldau/kernel';
import { createLogger, type LogLevel, PrometheusMeter, startHttpStatus } from '@moldau/telemetry';

/** How a process is watched. */
export interface TelemetryOptions {
  readonly level: LogLevel;
  /** Short lines for a person instead of JSON. */
  readonly prettyLog: boolean;
  /** Where `/metrics`, `/healthz` and `/readyz` are served; port 0 takes a free one. `undefined`: nowhere. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
}

/** What watches a process. */
export interface Telemetry {
  readonly logger: Logger;
  readonly meter: Meter;
  /** The port of the status endpoint, where there is one. */
  readonly httpPort: number | undefined;
  /** From now on `/readyz` says what this says; `undefined` is yes. Before, it says that the process starts. */
  readyWhen(problem: () => string | undefined): void;
  close(): Promise<void>;
}

/** Opens the log on standard error and, where one is asked for, the status endpoint. Throws a StartError. */
export async function startTelemetry({ level, prettyLog, http }: TelemetryOptions): Promise<Telemetry> {
  const logger = createLogger({ level, pretty: prettyLog });
  if (http === undefined) {
    return { logger, meter: silentMeter, httpPort: undefined, readyWhen: () => {}, close: async () => {} };
  }
  let problem = (): string | undefined => 'starting';
  const meter = new PrometheusMeter();
  const status = await startHttpStatus({ ...http, meter, ready: () => problem() });
  return {
    logger,
    meter,
    httpPort: status.port,
    readyWhen: (say) => {
      problem = say;
    },
    close: () => status.close(),
  };
}
