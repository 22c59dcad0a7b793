import { setTimeout as pause } from 'node:timers/promises';
import type { TcpProxy } from '@moldau/testing/tcp-proxy';
import type { Scenario, Scene } from '../scene.ts';
import { rejoinMs, sessionTimeoutMs } from './leader.ts';

const stormMs = 60_000;
const quietMsMax = 6_000;
/** Some outlast what a stream of replication may be silent for. */
const awayMsMax = 9_000;
const recoveredMs = 30_000;

const troubles: Readonly<Record<string, (proxy: TcpProxy, lasts: () => Promise<void>) => Promise<void>>> = {
  'lets nothing through': async (proxy, lasts) => {
    proxy.stall();
    await lasts();
    proxy.resume();
  },
  'hears nobody': async (proxy, lasts) => {
    proxy.stall('up');
    await lasts();
    proxy.resume();
  },
  'is not heard': async (proxy, lasts) => {
    proxy.stall('down');
    await lasts();
    proxy.resume();
  },
  'loses its answers': async (proxy, lasts) => {
    proxy.dropReplies();
    await lasts();
    proxy.resume();
  },
  'breaks its connections': async (proxy) => proxy.reset(),
  'refuses connections': async (proxy, lasts) => {
    await proxy.refuse();
    await lasts();
    await proxy.accept();
  },
};

/** One node has trouble with its network, whatever befalls the others meanwhile. */
async function befall(scene: Scene, node: number, proxy: TcpProxy, endsAt: number): Promise<void> {
  const { random } = scene;
  const kinds = Object.entries(troubles);
  for (;;) {
    await pause(random.below(quietMsMax));
    if (performance.now() > endsAt) return;
    const [what, trouble] = kinds[random.below(kinds.length)] ?? [];
    const awayMs = random.below(awayMsMax);
    scene.say(`node-${node} ${what}, ${awayMs} ms`);
    await trouble?.(proxy, () => pause(awayMs));
  }
}

const cutOffMs = 30_000;
/** The majority is back so long after the session timeout. */
const backMs = 10_000;

export const leaderCutOff: Scenario = {
  name: 'leader-cut-off',
  what: 'nobody reaches a node that leads for 30 s, but it reaches everybody: the coordinator, too',
  cluster: { proxied: true },
  async run(scene) {
    const { cluster, replicas } = scene;
    const id = await replicas.leadsMost();
    const proxy = cluster.proxies[id - 1];
    proxy?.stall();
    const until = performance.now() + cutOffMs;
    scene.took('until others led', await replicas.untilLedByOthers(id), sessionTimeoutMs + backMs);
    await scene.untilTaking();
    scene.gaps('until they took records', sessionTimeoutMs + backMs + 2_000);
    await pause(until - performance.now());
    proxy?.resume();
    scene.took('after it was reached again, until it was in sync everywhere', await replicas.untilWhole(), rejoinMs);
    scene.load.forget();
  },
};

export const network: Scenario = {
  name: 'network',
  what: 'for 60 s what leads to a node stalls, one way or both, loses answers, breaks or refuses, at random',
  cluster: { proxied: true },
  async run(scene) {
    const { cluster, load } = scene;
    const endsAt = performance.now() + stormMs;
    await Promise.all(cluster.proxies.map((proxy, i) => befall(scene, i + 1, proxy, endsAt)));
    scene.say(`meanwhile, longest without an ack: ${load.acks.longestMs.join(' ')} ms`);
    await scene.recover(recoveredMs);
  },
};
