import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { Gate, silentLogger, silentMeter } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import test from 'ava';
import { GrpcDialer } from '../src/grpc/grpc-dialer.ts';
import { GrpcServer } from '../src/grpc/grpc-server.ts';
import { defaultLimits } from '../src/limits.ts';
import { serve } from '../src/transport.ts';
import { callHeadContract } from './call-head-contract.ts';
import { ownBytesContract } from './own-bytes-contract.ts';
import { passingOnContract } from './passing-on-contract.ts';
import { type Open, transportContract } from './transport-contract.ts';

const ports = { clock: hostClock, timers: hostTimers, random: hostRandom, meter: silentMeter, limits: defaultLimits };

const open: Open = async (t, services, serverPorts) => {
  const server = new GrpcServer({ ...ports, ...serverPorts, services });
  const { host, port } = await server.listen('127.0.0.1', 0);
  t.teardown(() => server.drain(0));
  return { address: `${host}:${port}`, dialer: new GrpcDialer(ports), kill: () => server.drain(0) };
};

transportContract(test, open);
callHeadContract(test, open);
passingOnContract(test, open);
ownBytesContract(test, open);

test('one channel has as many calls as it likes: what a connection does not take goes over another one', async (t) => {
  const openCalls = new Map<string, number>();
  const changed = new Gate();
  const count = (): number => [...openCalls.values()].reduce((sum, calls) => sum + calls, 0);
  const add = (peer: string, calls: number): void => {
    openCalls.set(peer, (openCalls.get(peer) ?? 0) + calls);
    changed.open();
  };
  const service = serve(LogService, {
    fetchSession: async ({ incoming }, { peer }) => {
      add(peer, 1);
      try {
        for await (const _ of incoming);
      } finally {
        add(peer, -1);
      }
    },
  });
  const { address, dialer } = await open(t, [service], { ...ports, logger: silentLogger });
  const channel = dialer.dial(address, 'data');
  t.teardown(() => channel.close());
  const until = async (calls: number): Promise<void> => {
    while (count() !== calls) await changed.wait();
  };
  const sessions = Array.from({ length: 600 }, () => channel.session(LogService.method.fetchSession));
  await until(600);
  t.is(openCalls.size, 4);
  t.true(Math.max(...openCalls.values()) <= defaultLimits.streamsPerConnectionMax);
  for (const session of sessions) session.cancel();
  await until(0);
  const before = openCalls.size;
  for (let i = 0; i < 10; i += 1) {
    const again = channel.session(LogService.method.fetchSession);
    await until(1);
    again.end();
    await until(0);
  }
  t.is(openCalls.size, before, 'one connection is left, and is used again');
});
