import { setTimeout as pause } from 'node:timers/promises';
import { Standstill } from '@moldau/chaos-tool/standstill';
import { coordinatorOf } from '../coordinators.ts';
import { delivered } from '../delivered.ts';
import { Flow } from '../flow.ts';
import { History } from '../history.ts';
import { Member } from '../member.ts';
import type { Scenario } from '../scene.ts';

const topic = 'resumed';
const group = 'whose-coordinator-dies';
const partitions = 20;
const members = 10;
const perSecond = 20_000;
const calmMs = 5_000;

/** The process that coordinates a group is killed: its members go on at another one as if nothing had been. */
export const coordinatorKilled: Scenario = {
  name: 'coordinator-killed',
  what: 'the group coordinator that has the group is killed: members resume at the other one, without a rebalance',
  async run(scene) {
    const { client } = scene;
    await client.admin.createTopic({ name: topic, partitions, replicas: 3 });
    const history = new History(partitions);
    const commits = new Standstill(partitions);
    const all = Array.from({ length: members }, (_, i) => {
      const committed = (partition: number): void => commits.moved(partition);
      return new Member(client, `member-${i}`, history, { group, topic, committed });
    });
    await scene.until('every partition has an owner', () => history.isOwned, 30_000);
    const flow = new Flow(scene.newClient(), { topic, partitions }, perSecond);
    await pause(calmMs);
    const took: number[] = [];
    for (let round = 0; round < Math.max(1, Math.round(3 * scene.scale)); round += 1) {
      const { members: before, epoch: groupEpoch } = await client.admin.describeGroup(group);
      const owner = await coordinatorOf(scene, group);
      const changedAt = history.changedAt;
      commits.forget();
      await owner.kill();
      await pause(calmMs * 2);
      took.push(Math.max(...commits.longestMs));
      const after = await client.admin.describeGroup(group);
      if (after.epoch !== groupEpoch || after.members.length !== before.length)
        throw new Error(`the group is another one: epoch ${groupEpoch} and now ${after.epoch}`);
      if (history.changedAt !== changedAt) throw new Error('a partition moved');
      await owner.start();
      await pause(calmMs);
    }
    scene.measured('longest without a commit of a partition', 'ms', took, { atMost: 3_000 });
    await flow.end();
    await delivered(scene, topic, history);
    for (const member of all) await member.leave();
    history.check();
  },
};
