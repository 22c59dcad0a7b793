import type { Logger } from '@moldau/kernel';

/**
 * What goes wrong as a warning of the process, which prints it to stderr unless it is told otherwise: for a library whose user
 * brings no logger. The rest is dropped.
 */
export const processWarnings: Logger = warningsWith({});

function warningsWith(scope: Readonly<Record<string, unknown>>): Logger {
  const warn = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const said = Object.entries({ ...scope, ...fields }).map(([name, value]) => `${name}: ${textOf(value)}`);
    process.emitWarning(said.length === 0 ? message : `${message} (${said.join(', ')})`, 'MoldauWarning');
  };
  return {
    debug() {},
    info() {},
    warn,
    error: warn,
    with: (more) => warningsWith({ ...scope, ...more }),
  };
}

const textOf = (value: unknown): string => (value instanceof Error ? value.message : String(value));
