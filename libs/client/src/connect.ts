import { clientTimers, collectEarly, hostClock, hostRandom, processWarnings } from '@moldau/host';
import { type Logger, StartError } from '@moldau/kernel';
import { type ClientTls, defaultLimits, GrpcDialer } from '@moldau/rpc';
import { Moldau } from './moldau.ts';
import { type Duration, toMs } from './quantities.ts';

/** How to reach a cluster. */
export interface ConnectOptions {
  /** host:port, one or several with commas between them or as a list. Any process of the cluster will do. */
  readonly endpoints: string | readonly string[];
  /** Absent: plain text. */
  readonly tls?: ClientTls;
  /** Sent with every call. */
  readonly token?: string;
  /** How long a call may take, retries included. Default 10 s. */
  readonly timeout?: Duration;
  /** Default: what goes wrong in the background is a warning of the process, on stderr. */
  readonly logger?: Logger;
  /**
   * For a process that moves much and keeps little: has V8 collect buffers while they are young, for all of the process. It
   * makes such a client a good deal faster (docs/performance.md), and would stop one with a large heap for longer. Default false.
   */
  readonly collectEarly?: boolean;
}

const defaultPort = 7070;

/** A client of a cluster. Asks it who it is, so that a wrong address fails here. Throws UNREACHABLE. */
export async function connect(options: ConnectOptions): Promise<Moldau> {
  const moldau = open(options);
  await moldau.admin.serverInfo();
  return moldau;
}

/** The same, without asking: the first call connects. */
export function open(options: ConnectOptions): Moldau {
  const { endpoints, tls, token, timeout = '10s', logger = processWarnings } = options;
  const onMoved = options.collectEarly === true ? collectEarly() : undefined;
  const world = { clock: hostClock, timers: clientTimers, random: hostRandom, logger };
  const dialer = new GrpcDialer({ ...world, limits: defaultLimits, tls, token, onMoved });
  return new Moldau(addressesOf(endpoints), toMs(timeout), { ...world, dialer });
}

function addressesOf(endpoints: string | readonly string[]): string[] {
  const listed = typeof endpoints === 'string' ? endpoints.split(',') : endpoints;
  const addresses = listed.map((endpoint) => endpoint.trim()).filter((endpoint) => endpoint !== '');
  if (addresses.length === 0) throw new StartError('no endpoint: give host:port of any process of the cluster');
  const odd = addresses.find((address) => address.includes('/'));
  if (odd !== undefined)
    throw new StartError(`${JSON.stringify(odd)} is no endpoint: give host:port, without a scheme`);
  return addresses.map((address) => (/:\d+$/.test(address) ? address : `${address}:${defaultPort}`));
}
