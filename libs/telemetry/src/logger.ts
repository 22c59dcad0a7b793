import { type LogFields, type Logger, MoldauError } from '@moldau/kernel';
import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino';
import { PrettyLines } from './pretty-lines.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** How a process logs. */
export interface LogOptions {
  readonly level: LogLevel;
  /** One short line for a person instead of JSON. */
  readonly pretty: boolean;
  /** Colours in pretty lines. Default: on a terminal, unless the variable NO_COLOR is set. */
  readonly colors?: boolean | undefined;
  /** Default: standard error. */
  readonly destination?: DestinationStream | undefined;
}

/** A logger that writes one line a message: JSON with `time`, `level`, `message` and the fields, or short text. */
export function createLogger({ level, pretty, colors = onTerminal(), destination: given }: LogOptions): Logger {
  const target = given ?? destination({ fd: 2, sync: true });
  const sink = pretty ? new PrettyLines(target, colors) : target;
  return new PinoLogger(
    pino(
      {
        level,
        base: null,
        messageKey: 'message',
        errorKey: 'error',
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: describe },
      },
      sink,
    ),
  );
}

/** What somebody can act on needs no stack; anything else may be a bug. */
const describe = (error: unknown): unknown => {
  if (error instanceof MoldauError && error.reason !== 'INTERNAL') return `${error.reason}: ${error.message}`;
  return error instanceof Error ? pino.stdSerializers.errWithCause(error) : error;
};

const onTerminal = (): boolean => process.stderr.isTTY && !process.env.NO_COLOR;

class PinoLogger implements Logger {
  readonly #pino: Pino;

  constructor(inner: Pino) {
    this.#pino = inner;
  }

  debug(message: string, fields?: LogFields): void {
    this.#pino.debug(plain(fields), message);
  }
  info(message: string, fields?: LogFields): void {
    this.#pino.info(plain(fields), message);
  }
  warn(message: string, fields?: LogFields): void {
    this.#pino.warn(plain(fields), message);
  }
  error(message: string, fields?: LogFields): void {
    this.#pino.error(plain(fields), message);
  }
  with(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(plain(fields)));
  }
}

/** Offsets and epochs are bigints, which JSON does not know. */
function plain(fields: LogFields | undefined): Record<string, unknown> {
  if (fields === undefined) return {};
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}
