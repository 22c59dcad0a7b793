import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { silentMeter } from '@moldau/kernel';
import test from 'ava';
import { GrpcDialer } from '../src/grpc/grpc-dialer.ts';
import { GrpcServer } from '../src/grpc/grpc-server.ts';
import { defaultLimits } from '../src/limits.ts';
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
