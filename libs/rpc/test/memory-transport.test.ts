import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { silentMeter } from '@moldau/kernel';
import test from 'ava';
import { defaultLimits } from '../src/limits.ts';
import { MemoryNetwork } from '../src/memory/memory-network.ts';
import { callHeadContract } from './call-head-contract.ts';
import { ownBytesContract } from './own-bytes-contract.ts';
import { passingOnContract } from './passing-on-contract.ts';
import { type Open, transportContract } from './transport-contract.ts';

const awake = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(awake));

const open: Open = async (_, services, serverPorts) => {
  const network = new MemoryNetwork({ limits: defaultLimits, timers: hostTimers });
  const ports = { clock: hostClock, timers: hostTimers, random: hostRandom, meter: silentMeter, ...serverPorts };
  const address = 'node-1:7071';
  network.listen(address, services, ports);
  return { address, dialer: network.dialer('client'), kill: async () => network.crash(address) };
};

transportContract(test, open);
callHeadContract(test, open);
passingOnContract(test, open);
ownBytesContract(test, open);
