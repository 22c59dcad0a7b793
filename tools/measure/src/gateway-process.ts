// A gateway of its own process, in front of whoever answers at a port. Prints its own port, and lives until it is killed.
import { Gateway } from '@moldau/gateway';
import { collectEarly, hostClock, hostRandom, hostTimers } from '@moldau/host';
import { silentLogger, silentMeter } from '@moldau/kernel';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import { GrpcDialer, GrpcServer, limitsFor, serve } from '@moldau/rpc';
import { found, given } from './children.ts';

const MiB = 2 ** 20;
const onMoved = collectEarly();
const { port } = given<{ port: number }>();
const limits = limitsFor(8 * MiB);
const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger: silentLogger, meter: silentMeter };
const gateway = new Gateway(
  { ...world, dialer: new GrpcDialer({ ...world, limits, onMoved }) },
  { coordinators: [`127.0.0.1:${port}`], appendBytes: 256 * MiB, fetchBytes: 256 * MiB, windowBytes: 4 * MiB },
);
const info = serve(ServerInfoService, { getServerInfo: async () => ({ roles: ['gateway'] }) });
const server = new GrpcServer({ ...world, limits, onMoved, services: [...gateway.services(), info] });
const bound = await server.listen('127.0.0.1', 0);
await gateway.start();
found({ port: bound.port });
setInterval(() => {}, 60_000);
