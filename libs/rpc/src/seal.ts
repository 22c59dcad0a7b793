import { AssertionFailed, type Logger, MoldauError, type Random, randomName } from '@moldau/kernel';

/** What sealing an error needs. */
export interface SealPorts {
  readonly logger: Logger;
  readonly random: Random;
  /** Called with a broken invariant, so that its owner can stop what is no longer trustworthy. */
  readonly onAssertion?: ((error: AssertionFailed) => void) | undefined;
}

/**
 * The error that may leave the process. A MoldauError leaves as it is. Anything else is a bug: it is logged with its cause
 * under a random id, and the peer gets INTERNAL with that id and nothing more.
 */
export function sealError(error: unknown, where: string, ports: SealPorts): MoldauError {
  if (error instanceof MoldauError) return error;
  const id = randomName(ports.random, 12);
  ports.logger.error('a bug: a handler failed unexpectedly', { id, where, error });
  if (error instanceof AssertionFailed) ports.onAssertion?.(error);
  return new MoldauError('INTERNAL', `a bug in the server: its log has the cause under ${id}`, { id });
}
