import { assert, offset } from '@moldau/kernel';
import { instanceId } from '../../src/index.ts';
import { group, type MemberClient } from './member-client.ts';
import { keyOf, type Machines, ModelShard, topicOf } from './model-shard.ts';

/** One line of a scenario and what it says. Commands stand at the margin, what happens then below, indented. */
interface ScenarioLine {
  /** Comments and empty lines before it. */
  readonly before: readonly string[];
  readonly command: string;
}

function linesOf(text: string): { lines: readonly ScenarioLine[]; rest: readonly string[] } {
  const lines: ScenarioLine[] = [];
  let before: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('  ')) continue;
    if (line === '' || line.startsWith('#')) before.push(line);
    else {
      lines.push({ before, command: line });
      before = [];
    }
  }
  return { lines, rest: before };
}

/** `orders/4 payments/2` */
const topicsOf = (words: readonly string[]) =>
  words.map((word) => {
    const [name = '', partitions] = word.split('/');
    return topicOf(name, Number(partitions));
  });

/** Carries out a scenario: its text, with what really happens. Throws when something happens that never may. */
export function play(text: string, machines?: Machines): string {
  const { lines, rest } = linesOf(text);
  const [first, ...others] = lines;
  assert(first?.command.startsWith('topics ') === true, 'a scenario begins with `topics orders/4`');
  const model = new ModelShard(topicsOf(first.command.split(' ').slice(1)), {}, machines);
  const played = [...first.before, first.command];
  for (const { before, command } of others) {
    played.push(...before, command);
    const shown = run(model, command.replace(/ *#.*$/, ''));
    played.push(...[...model.said(), ...shown].map((line) => `  ${line}`));
    model.check();
    model.checkReplay();
  }
  return `${[...played, ...rest].join('\n')}\n`;
}

function run(model: ModelShard, command: string): readonly string[] {
  const [word = '', ...given] = command.split(' ');
  const clientAt = (at: number): MemberClient => {
    const found = model.clients.findLast(({ member }) => member === given[at]);
    assert(found !== undefined, `"${command}" names no member`);
    return found;
  };
  switch (word) {
    case 'join': {
      const [name = '', ...wanted] = given;
      const instance = wanted.find((one) => one.startsWith('instance='))?.slice('instance='.length);
      const topics = wanted.filter((one) => !one.includes('='));
      model.join(name, topics, instance === undefined ? undefined : instanceId(instance));
      return [];
    }
    case 'connect':
      model.connect(clientAt(0));
      return [];
    case 'break':
      clientAt(0).disconnect();
      return [];
    case 'deliver':
      model.deliver(clientAt(0), given[1] === 'twice');
      return [];
    case 'commit':
      while (model.pending > 0) model.commit();
      return [];
    case 'receive':
      while (clientAt(0).toClient.length > 0 && !clientAt(0).isPaused) model.receive(clientAt(0));
      return [];
    case 'settle':
      model.settle(new Set(given.slice(1).map((_, i) => clientAt(i + 1))));
      return [];
    case 'process':
      clientAt(0).process(model.now);
      return [];
    case 'commit-offsets':
      clientAt(0).commit([...clientAt(0).owned.keys()], model.now);
      return [];
    case 'release':
      clientAt(0).release(model.now);
      return [];
    case 'ack-unchanged':
      clientAt(0).ackUnchanged(model.now);
      return [];
    case 'ping':
      for (let i = 0; i < given.length; i += 1) clientAt(i).ping(model.now);
      return [];
    case 'leave':
      clientAt(0).leave(given[1] === 'coming-back', model.now);
      return [];
    case 'kill':
      clientAt(0).end('killed');
      return [];
    case 'pause':
      clientAt(0).isPaused = true;
      return [];
    case 'wake':
      model.wake(clientAt(0));
      return [];
    case 'wait':
      model.pass(Number.parseFloat(given[0] ?? '') * 1_000);
      return [];
    case 'move':
      model.move(given[0] === 'keeping' ? Number(given[1]) : model.pending, given.includes('compacted'));
      return [];
    case 'topics':
      model.setTopics(topicsOf(given));
      return [];
    case 'forget': {
      const reply = model.ask({ kind: 'topic-deleted', topic: topicOf(given[0] ?? '', 0).id });
      return [reply.kind];
    }
    case 'stand-alone':
    case 'seek': {
      const offsets = given.slice(0, 1).map((one) => {
        const [topic = '', partition] = one.split('/');
        const at = offset(Number(given[1]));
        return { partition: keyOf(topic, Number(partition)), offset: at, leaderEpoch: undefined, metadata: '' };
      });
      model.isSeeking = true;
      const force = given.includes('force');
      const reply =
        word === 'seek'
          ? model.ask({ kind: 'seek', group, offsets, force, validateOnly: given.includes('dry') })
          : model.ask({ kind: 'commit', group, by: undefined, offsets });
      while (model.pending > 0) model.commit();
      model.isSeeking = false;
      return [reply.kind === 'refused' ? `refused ${reply.error.reason}` : reply.kind];
    }
    case 'delete': {
      const reply = model.ask({ kind: 'delete', group, validateOnly: false });
      return [reply.kind === 'refused' ? `refused ${reply.error.reason}` : reply.kind];
    }
    case 'state':
      return stateOf(model);
    default:
      throw new Error(`"${command}" is no command`);
  }
}

function stateOf(model: ModelShard): readonly string[] {
  const reply = model.ask({ kind: 'describe', group });
  if (reply.kind !== 'described') return ['no group'];
  const { groupEpoch, assignmentEpoch, members, offsets } = reply.description;
  const list = (name: string, partitions: readonly string[]): string =>
    partitions.length === 0 ? '' : ` ${name} ${[...partitions].sort().join(' ')}`;
  return [
    `group epoch ${groupEpoch}, assignment epoch ${assignmentEpoch}`,
    ...members.map(
      ({ member, epoch, phase, assigned, revoking, pending }) =>
        `${member}: epoch ${epoch} ${phase}${list('has', assigned)}${list('revokes', revoking)}${list('awaits', pending)}`,
    ),
    ...[...offsets].map(([partition, { offset: at }]) => `${partition} committed ${at}`).sort(),
  ];
}
