import { Cluster } from '@moldau/chaos-tool/cluster';
import { Load } from '@moldau/chaos-tool/load';
import { type Figure, holds } from '@moldau/measure-tool/figure';
import { compareCopies } from './copies.ts';
import { type RunOptions, type Scenario, Scene } from './scene.ts';

/** What came out of one scenario. */
export interface Outcome {
  readonly scenario: string;
  readonly acknowledged: number;
  readonly figures: readonly Figure[];
  /** Empty: everything held. */
  readonly problems: readonly string[];
  /** Why it was not run. */
  readonly skipped?: string;
}

const usual = { topic: 'load', partitions: 6, producers: 2 };

/** Runs a scenario on a cluster of its own. Never rejects: what goes wrong is in what it resolves with. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Outcome> {
  const { name, what, impossible } = scenario;
  const reason = await impossible?.();
  if (reason !== undefined) {
    options.say(`${name}: skipped: ${reason}`);
    return { scenario: name, acknowledged: 0, figures: [], problems: [], skipped: reason };
  }
  options.say(`${name}: ${what}`);
  const figures: Figure[] = [];
  const problems: string[] = [];
  let acknowledged = 0;
  try {
    acknowledged = await runOn(scenario, options, figures);
    options.say(`  ${acknowledged} records acknowledged: served once and in order, and the same in all three copies`);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  problems.push(...figures.filter((figure) => holds(figure) === false).map((figure) => `missed: ${figure.name}`));
  for (const problem of problems) options.say(`  PROBLEM: ${problem}`);
  return { scenario: name, acknowledged, figures, problems };
}

async function runOn(scenario: Scenario, options: RunOptions, figures: Figure[]): Promise<number> {
  const cluster = await Cluster.start({ gateway: false, ...scenario.cluster });
  try {
    const client = await cluster.clientOfNodes();
    const load = await Load.start(client, { ...usual, ...scenario.load });
    const scene = new Scene({ cluster, client, load }, { ...options, scenario: scenario.name });
    try {
      await scene.replicas.untilWhole();
      await scene.calm();
      await scenario.run(scene);
      await scene.calm();
      return await check(scene);
    } finally {
      figures.push(...scene.figures);
      load.abandon();
      await client.close();
    }
  } catch (error) {
    for (const one of [...cluster.nodes, ...cluster.coordinators])
      options.say(`--- ${one.name} said last:\n${one.said.slice(-saidMax)}`);
    throw error;
  } finally {
    await cluster.close();
  }
}

const saidMax = 3_000;

/** Ends the load, and holds what was promised against what is served and what is on each disk. */
async function check({ cluster, client, load, replicas }: Scene): Promise<number> {
  const acknowledged = await load.finish();
  if (load.errors.length > 0) throw new Error(`users saw ${load.errors.length} errors: ${load.errors[0]}`);
  await replicas.untilWhole();
  const ends = await client.admin.listOffsets(load.topic, 'end');
  const { topic } = await client.admin.describeTopic(load.topic);
  // Whatever counts is on disk already.
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  const directories = new Map([1, 2, 3].map((id) => [id, cluster.directoryOf(id)]));
  await compareCopies(
    directories,
    topic?.id ?? '',
    ends.map(({ offset }) => offset ?? 0n),
    load.ledger,
  );
  return acknowledged;
}
