import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceProcess } from '@moldau/chaos-tool/process';
import type { Scenario, Scene } from '../scene.ts';

const stormMs = 45_000;
const quietMsMax = 10_000;
/** Some outlast a session. */
const awayMsMax = 12_000;
const recoveredMs = 30_000;

const strikes = {
  kill: { hit: (victim: ServiceProcess) => victim.kill(), heal: (victim: ServiceProcess) => victim.start() },
  stop: { hit: (victim: ServiceProcess) => victim.stop(), heal: (victim: ServiceProcess) => victim.start() },
  pause: {
    hit: async (victim: ServiceProcess) => victim.pause(),
    heal: async (victim: ServiceProcess) => victim.resume(),
  },
};

const kinds = ['kill', 'stop', 'pause'] as const;

/** One process has its accidents, whatever befalls the others meanwhile. */
async function befall(scene: Scene, victim: ServiceProcess, endsAt: number): Promise<void> {
  const { random } = scene;
  for (;;) {
    await pause(random.below(quietMsMax));
    if (performance.now() > endsAt) return;
    const kind = kinds[random.below(kinds.length)] ?? 'kill';
    const awayMs = random.below(awayMsMax);
    scene.say(`${victim.name}: ${kind}, ${awayMs} ms`);
    await strikes[kind].hit(victim);
    await pause(awayMs);
    await strikes[kind].heal(victim);
  }
}

export const storm: Scenario = {
  name: 'storm',
  what: 'for 45 s every node and coordinator is killed, ended or stopped at random, however many are away at one time',
  async run(scene) {
    const { cluster } = scene;
    const endsAt = performance.now() + stormMs;
    const victims = [...cluster.nodes, ...cluster.coordinators];
    await Promise.all(victims.map((victim) => befall(scene, victim, endsAt)));
    await scene.recover(recoveredMs);
  },
};
