import { setTimeout as pause } from 'node:timers/promises';
import { Standstill } from '@moldau/chaos-tool/standstill';
import { delivered } from '../delivered.ts';
import { Flow } from '../flow.ts';
import { History } from '../history.ts';
import { Member } from '../member.ts';
import { startMember } from '../member-process.ts';
import type { Scenario } from '../scene.ts';

const topic = 'killed';
const group = 'one-of-them-dies';
const partitions = 40;
const members = 20;
const perSecond = 20_000;
const calmMs = 5_000;
/** The session timeout of these group coordinators. */
const sessionMs = 6_000;
/** Heard a little later than it ended; and two round trips. */
const reassignedWithinMs = sessionMs + 2_000;

/** A process is killed: what it had goes to the others, and what they have stays with them. */
export const memberKilled: Scenario = {
  name: 'member-killed',
  what: `one of ${members} members is killed; the streams of the others go on`,
  cluster: { groupFlags: ['--session-timeout', `${sessionMs}ms`] },
  async run(scene) {
    const { client, cluster } = scene;
    await client.admin.createTopic({ name: topic, partitions, replicas: 3 });
    const history = new History(partitions);
    const gaps = new Standstill(partitions);
    const record = (partition: number): void => gaps.moved(partition);
    const others = Array.from(
      { length: members - 1 },
      (_, i) => new Member(client, `member-${i}`, history, { group, topic, record }),
    );
    const victim = startMember({ endpoints: cluster.nodes.map(({ address }) => address), group, topic });
    const ownedCount = (): number => others.reduce((sum, { owned }) => sum + owned.size, 0);
    await victim.says(/has 2 partitions/);
    await scene.until('the others have the rest', () => ownedCount() === partitions - 2, 30_000);
    const flow = new Flow(scene.newClient(), { topic, partitions }, perSecond);
    await pause(calmMs);
    const kept = others.map(({ owned }) => new Set(owned));
    gaps.forget();
    const diedAt = performance.now();
    await victim.kill();
    const left = await client.admin.groupLag(group);
    for (const { partition, committed } of left)
      if (!kept.some((owned) => owned.has(partition))) history.committedElsewhere(partition, Number(committed));
    await scene.until('each partition has an owner again', () => ownedCount() === partitions, 2 * reassignedWithinMs);
    scene.measured('until its partitions had another owner', 'ms', [performance.now() - diedAt], {
      atMost: reassignedWithinMs,
    });
    await pause(calmMs);
    const longest = gaps.longestMs;
    const staying = kept.flatMap((owned) => [...owned]);
    for (const [index, owned] of kept.entries()) {
      for (const partition of owned)
        if (!others[index]?.owned.has(partition)) throw new Error(`partition ${partition} moved, and its owner lives`);
    }
    scene.measured(
      'longest between two records of a partition that stayed',
      'ms',
      [Math.max(...staying.map((partition) => longest[partition] ?? 0))],
      { atMost: 1_000 },
    );
    await flow.end();
    await delivered(scene, topic, history);
    for (const member of others) await member.leave();
    history.check();
  },
};
