import { assert, offset } from '@moldau/kernel';
import { ModelCluster } from './model-cluster.ts';
import type { Machines, ModelNode, Stream } from './model-node.ts';
import { nameOf, numberOf } from './words.ts';

/** One line of a scenario and what it says. Commands stand at the margin, what happens then below, indented. */
interface Step {
  /** Comments and empty lines before it. */
  readonly before: readonly string[];
  readonly command: string;
}

function stepsOf(text: string): { steps: readonly Step[]; rest: readonly string[] } {
  const steps: Step[] = [];
  let before: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('  ')) continue;
    if (line === '' || line.startsWith('#')) before.push(line);
    else {
      steps.push({ before, command: line });
      before = [];
    }
  }
  return { steps, rest: before };
}

/** Carries out a scenario: its text, with what really happens. Throws when something happens that never may. */
export function play(text: string, machines?: Machines): string {
  const { steps, rest } = stepsOf(text);
  const [first, ...others] = steps;
  const size = /^cluster (\w+) min (\d)$/.exec(first?.command ?? '');
  assert(first !== undefined && size !== null, 'a scenario begins with `cluster abc min 2`');
  const cluster = new ModelCluster(size[1]?.length ?? 0, Number(size[2]), machines);
  const lines = [...first.before, first.command];
  const say = (): void => void lines.push(...cluster.said().map((line) => `  ${line}`));
  say();
  for (const { before, command } of others) {
    lines.push(...before, command);
    const shown = run(cluster, command.replace(/ *#.*$/, ''));
    say();
    lines.push(...shown.map((line) => `  ${line}`));
    cluster.check();
  }
  return `${[...lines, ...rest].join('\n')}\n`;
}

function run(cluster: ModelCluster, command: string): readonly string[] {
  const [word = '', ...given] = command.split(' ');
  const node = (at = 0): ModelNode => {
    const found = cluster.nodes[numberOf(given[at] ?? '') - 1];
    assert(found !== undefined, `"${command}" names no node`);
    return found;
  };
  const after = (name: string): string | undefined => {
    const at = given.indexOf(name);
    return at < 0 ? undefined : given[at + 1];
  };
  const asked = () => {
    const found = cluster.asked[Number(given[0] ?? 1) - 1];
    assert(found !== undefined, `"${command}": nothing was asked`);
    return found;
  };
  switch (word) {
    case 'produce':
      for (const value of given.slice(1)) node().produce(value);
      return [];
    case 'sync':
      node().sync();
      return [];
    case 'deliver':
      deliver(cluster, given);
      return [];
    case 'settle': {
      const without = [...(after('without') ?? '')].map((name) => cluster.nodes[numberOf(name) - 1]);
      cluster.settle(new Set(without.filter((one) => one !== undefined)), !given.includes('unasked'));
      return [];
    }
    case 'break':
      cluster.break(node(), Number(after('keeps') ?? 0), given.includes('half-open'));
      return [];
    case 'connect':
      node().connect();
      return [];
    case 'tell':
      node().hear(cluster.store.state);
      return [];
    case 'cut':
      node().carryOutCut();
      return [];
    case 'take':
      cluster.take(asked());
      return [];
    case 'answer':
      cluster.answer(asked());
      return [];
    case 'time-out':
      cluster.giveUp(asked());
      return [];
    case 'kill':
      node().kill(after('losing') === 'all' ? 'all' : Number(after('losing') ?? 0));
      return [];
    case 'start':
      cluster.start(node());
      return [];
    case 'fence':
      cluster.store.fence(node().id);
      return [];
    case 'report':
      cluster.report(node());
      return [];
    case 'depose':
      cluster.store.depose();
      return [];
    case 'elect-unclean':
      cluster.store.electUnclean(node().id);
      return [];
    case 'reassign':
      cluster.store.reassign(cluster.nodes.filter(({ name }) => given[0]?.includes(name)).map(({ id }) => id));
      return [];
    case 'trim':
      node().trim(offset(Number(given[1])));
      return [];
    case 'damage':
      node().damage();
      return [];
    case 'checkpoint':
      node().log.checkpoint();
      return [];
    case 'wait':
      cluster.tick(Number.parseFloat(given[0] ?? '') * 1_000);
      return [];
    case 'state':
      return stateOf(cluster);
    default:
      throw new Error(`"${command}" is no command`);
  }
}

/** `deliver b>a`, `deliver b>a 2`, `deliver b>a old`: by the stream that b has open, or by the oldest that is left. */
function deliver(cluster: ModelCluster, [way = '', count]: readonly string[]): void {
  const [from = '', to = ''] = way.split('>');
  const joins = ({ follower, leader }: Stream, one: string, other: string): boolean =>
    follower.name === one && leader.name === other;
  const streams = cluster.streams.filter((stream) => joins(stream, from, to) || joins(stream, to, from));
  const stream = count === 'old' ? streams[0] : streams.at(-1);
  assert(stream !== undefined, `there is no stream between ${from} and ${to}`);
  const direction = stream.follower.name === from ? 'toLeader' : 'toFollower';
  const most = Number(count) || stream[direction].length;
  assert(stream[direction].length > 0, `nothing is on its way from ${from} to ${to}`);
  for (let i = 0; i < most; i += 1) cluster.deliver(stream, direction);
}

const stateOf = (cluster: ModelCluster): readonly string[] => [
  `store: ${cluster.store}`,
  ...cluster.nodes.map((node) => {
    const maximal = node.leading && [...node.leading.maximalIsr].sort().map(nameOf).join('');
    const role = maximal === undefined ? (node.following?.state.kind ?? '') : `leads, maximal isr ${maximal}`;
    const worth = node.copy === 'whole' ? '' : `, ${node.copy}`;
    return `${node.name}: ${node.isUp ? role : 'down'}${worth}: ${node.log}`;
  }),
];
