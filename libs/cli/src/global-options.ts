import { type Moldau, open } from '@moldau/client';
import { parseDuration } from '@moldau/config';

/** What every command takes. */
export interface GlobalOptions {
  readonly endpoints: string;
  readonly timeout: string;
  readonly quiet?: boolean;
}

/** The client of a command. */
export const clientOf = ({ endpoints, timeout }: GlobalOptions): Moldau =>
  open({ endpoints, timeout: parseDuration(timeout) });
