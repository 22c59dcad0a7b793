import { setTimeout as pause } from 'node:timers/promises';
import { quantile } from '@moldau/measure-tool/figure';
import { delivered } from '../delivered.ts';
import { Flow } from '../flow.ts';
import { History } from '../history.ts';
import { Member } from '../member.ts';
import type { Scenario } from '../scene.ts';

const topic = 'churn';
const group = 'churning';
const partitions = 100;
const members = 50;
const perSecond = 20_000;
const seconds = 300;
const changeEveryMs = 1_000;

/** One member leaves, another one comes, a change a second, while records flow. */
export const churn: Scenario = {
  name: 'churn',
  what: `${members} members of ${partitions} partitions, one joins or leaves each second, ${perSecond} records/s`,
  async run(scene) {
    const { client } = scene;
    await client.admin.createTopic({ name: topic, partitions, replicas: 3 });
    const history = new History(partitions);
    let count = 0;
    const join = (): Member => {
      count += 1;
      return new Member(client, `member-${count}`, history, { group, topic });
    };
    const present = Array.from({ length: members }, join);
    await scene.until('every partition has an owner', () => history.isOwned, 30_000);
    const flow = new Flow(scene.newClient(), { topic, partitions }, perSecond);
    await pause(5 * changeEveryMs);
    const took: number[] = [];
    let unsettled = 0;
    for (let change = 0; change < seconds * scene.scale; change += 1) {
      const since = performance.now();
      if (change % 2 === 0) await present.shift()?.leave();
      else present.push(join());
      await pause(Math.max(0, changeEveryMs - (performance.now() - since)));
      // What is not over when the next change comes has taken longer.
      if (!history.isOwned) unsettled += 1;
      took.push(Math.max(0, history.changedAt - since));
    }
    const written = await flow.end();
    await delivered(scene, topic, history);
    for (const member of present) await member.leave();
    history.check();
    scene.say(`${written} records, each delivered; ${history.duplicates} twice, each behind the last commit`);
    scene.measured('from a change until the last partition has moved, p50', 'ms', [quantile(took, 0.5)]);
    scene.measured('from a change until the last partition has moved, p99', 'ms', [quantile(took, 0.99)], {
      atMost: 1_000,
    });
    scene.measured(
      'changes after which a partition had no owner a second later',
      '%',
      [(100 * unsettled) / took.length],
      { atMost: 1 },
    );
    scene.measured('longest that a partition had no owner', 'ms', [history.longestFreeMs]);
  },
};
