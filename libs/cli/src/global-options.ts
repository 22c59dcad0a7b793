import { Moldau } from '@moldau/client';
import { parseDuration } from '@moldau/config';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { defaultLimits, GrpcDialer } from '@moldau/rpc';

/** What every command takes. */
export interface GlobalOptions {
  readonly endpoints: string;
  readonly timeout: string;
  readonly quiet?: boolean;
}

/** The client of a command. */
export function clientOf({ endpoints, timeout }: GlobalOptions): Moldau {
  const world = { clock: hostClock, timers: hostTimers, random: hostRandom };
  const dialer = new GrpcDialer({ ...world, limits: defaultLimits });
  const addresses = endpoints.split(',').map((address) => (address.includes(':') ? address : `${address}:7070`));
  return new Moldau(addresses, parseDuration(timeout), { ...world, dialer });
}
