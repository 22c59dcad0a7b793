import { ValueError } from '@moldau/config';
import { MoldauError } from '@moldau/kernel';

/** What a command ends with. Scripts rely on these. */
export const exitCode = { ok: 0, failed: 1, usage: 2, notFound: 3, unavailable: 4, partly: 5 } as const;
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Ends the command with this code; the message, unless it is empty, goes to stderr. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly code: ExitCode;
  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Ends the command with this code, and says nothing more: what it printed says it all. */
export const ended = (code: ExitCode): CommandFailed => new CommandFailed(code, '');

/** A wrong flag or argument. */
export const usage = (message: string): CommandFailed => new CommandFailed(exitCode.usage, message);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailed) return error.code;
  if (error instanceof ValueError) return exitCode.usage;
  if (!(error instanceof MoldauError)) return exitCode.failed;
  switch (error.reason) {
    case 'UNKNOWN_TOPIC':
    case 'UNKNOWN_PARTITION':
    case 'UNKNOWN_GROUP':
      return exitCode.notFound;
    case 'INVALID_REQUEST':
    case 'INVALID_CONFIG':
    case 'INVALID_REGEX':
      return exitCode.usage;
    case 'UNREACHABLE':
    case 'TIMED_OUT':
    case 'NOT_SERVING':
    case 'NOT_LEADER':
    case 'NOT_COORDINATOR':
    case 'LEADERSHIP_LOST':
    case 'HANDLE_CLOSED':
    case 'STORE_UNAVAILABLE':
    case 'NOT_ENOUGH_NODES':
    case 'NOT_ENOUGH_REPLICAS':
    case 'OVERLOADED':
      return exitCode.unavailable;
    default:
      return exitCode.failed;
  }
}
