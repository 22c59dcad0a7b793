import { NetworkWeather, SeededRandom } from '@moldau/testing';
import test from 'ava';
import { add, ask, type Owner, type OwnerProcess, world } from './support/world.ts';

const seeds = [11, 12, 13, 14];

for (const seed of seeds) {
  test(`whatever happens, what was answered is there, once, and replay equals the live state (seed ${seed})`, async (t) => {
    const random = new SeededRandom(seed);
    const weather = new NetworkWeather(random, { min: 0.5, max: 3 });
    const { cluster, time, ownerOn } = await world({ seed, conditions: weather.conditions });
    let epoch = 1n;
    const running: { process: OwnerProcess; owner: Owner }[] = [];
    /** What was said of each add of 1: each has a register of its own. */
    const answers = new Map<string, (string | number)[]>();
    const takeOver = (): void => {
      epoch += 1n;
      const process = ownerOn(`owner-${epoch}`);
      running.push({ process, owner: process.own(epoch) });
    };
    takeOver();
    let asked = 0;
    for (let turn = 0; turn < 120; turn += 1) {
      for (const { owner } of running) {
        if (owner.phase.kind !== 'serving') continue;
        const key = `k${asked}`;
        asked += 1;
        answers.set(key, ask(owner, add(key)));
      }
      if (random.chance(0.05)) takeOver();
      const last = running.at(-1);
      if (random.chance(0.04)) last?.process.pause();
      else if (random.chance(0.3)) last?.process.resume();
      if (random.chance(0.03)) weather.dropConnections(0.02);
      else if (random.chance(0.3)) weather.clear(cluster.network);
      const node = cluster.nodes[Math.floor(random.next() * 3)];
      if (random.chance(0.02) && cluster.nodes.every(({ isRunning }) => isRunning)) node?.kill('power');
      for (const down of cluster.nodes) if (!down.isRunning && random.chance(0.2)) await time.run(down.start());
      await time.runFor(random.next() * 200);
    }
    weather.clear(cluster.network);
    for (const { process } of running) process.resume();
    for (const down of cluster.nodes) if (!down.isRunning) await time.run(down.start());
    const live = running.at(-1);
    await time.run(live?.owner.ready() ?? Promise.reject(new Error('nobody')), 120_000);
    await time.runUntil(() => [...answers.values()].every(({ length }) => length === 1), 120_000);

    takeOver();
    const heir = running.at(-1);
    await time.run(heir?.owner.ready() ?? Promise.reject(new Error('nobody')), 120_000);
    const state = heir?.process.states[0] ?? new Map<string, number>();
    t.deepEqual(state, live?.process.states[0], 'replay equals the live state');
    const counts = { done: 0, unknown: 0, refused: 0 };
    for (const [key, [answer]] of answers) {
      const value = state.get(key);
      if (answer === 1) t.is(value, 1, `${key} was answered`);
      else if (answer === 'NOT_SERVING NOT_WRITTEN') t.is(value, undefined, `${key} is said not to be there`);
      else t.is(answer, 'LEADERSHIP_LOST UNKNOWN');
      counts[answer === 1 ? 'done' : answer === 'LEADERSHIP_LOST UNKNOWN' ? 'unknown' : 'refused'] += 1;
    }
    t.log(`${asked} asked in ${epoch} epochs`, counts);
    t.true(counts.done > 20);
  });
}
