import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions } from '@moldau/chaos-tool/cluster';
import { type Moldau, open } from '@moldau/client';
import { type Figure, holds, type Unit } from '@moldau/measure-tool/figure';

/** Something that happens to a group, and what must hold meanwhile. Throws when it does not. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly cluster?: ClusterOptions;
  run(scene: Scene): Promise<void>;
}

/** What came out of one scenario. */
export interface Outcome {
  readonly scenario: string;
  readonly figures: readonly Figure[];
  /** Empty: everything held. */
  readonly problems: readonly string[];
}

/** What a scenario works with: a cluster in use, and what was measured in it. */
export class Scene {
  readonly cluster: Cluster;
  readonly client: Moldau;
  /** By how much it is to be shorter than usual: 1 is its full length. */
  readonly scale: number;
  readonly figures: Figure[] = [];
  readonly #scenario: string;
  readonly #say: (text: string) => void;
  readonly #clients: Moldau[] = [];

  constructor(cluster: Cluster, scenario: string, scale: number, say: (text: string) => void) {
    this.cluster = cluster;
    this.scale = scale;
    this.#scenario = scenario;
    this.#say = say;
    this.client = this.newClient();
  }

  say(text: string): void {
    this.#say(`  ${text}`);
  }

  /** A client with connections of its own, directly to the nodes. */
  newClient(): Moldau {
    const { nodes } = this.cluster;
    const client = open({ endpoints: nodes.map(({ address }) => address), timeout: '60s' });
    this.#clients.push(client);
    return client;
  }

  /** Something that was measured, once or several times, and what it is held against. A miss is told at the end. */
  measured(name: string, unit: Unit, runs: readonly number[], target?: Figure['target']): void {
    const figure: Figure = { name: `${this.#scenario}: ${name}`, unit, runs, ...(target !== undefined && { target }) };
    const shown = runs.map((run) => Math.round(run * 10) / 10).join(' ');
    const bound =
      target === undefined
        ? ''
        : ` (${'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`})`;
    this.say(`${holds(figure) === false ? 'MISSED: ' : ''}${name}: ${shown} ${unit}${bound}`);
    this.figures.push(figure);
  }

  /** Resolves when it is so; with the milliseconds until then. Rejects when it takes longer than `atMostMs`. */
  async until(what: string, isSo: () => boolean | Promise<boolean>, atMostMs: number): Promise<number> {
    const since = performance.now();
    while (!(await isSo())) {
      if (performance.now() - since > atMostMs) throw new Error(`${what}: not after ${atMostMs} ms`);
      await pause(5);
    }
    return performance.now() - since;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

const saidMax = 3_000;

/** Runs a scenario on a cluster of its own. Never rejects: what goes wrong is in what it resolves with. */
export async function runScenario(
  scenario: Scenario,
  { scale, say }: { readonly scale: number; readonly say: (text: string) => void },
): Promise<Outcome> {
  const { name, what } = scenario;
  say(`${name}: ${what}`);
  const figures: Figure[] = [];
  const problems: string[] = [];
  try {
    const cluster = await Cluster.start({ gateway: false, groupCoordinators: 2, ...scenario.cluster });
    const scene = new Scene(cluster, name, scale, say);
    try {
      await scenario.run(scene);
    } catch (error) {
      for (const one of [...cluster.groupCoordinators, ...cluster.coordinators])
        say(`--- ${one.name} said last:\n${one.said.slice(-saidMax)}`);
      throw error;
    } finally {
      figures.push(...scene.figures);
      await scene.close();
      await cluster.close();
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  problems.push(...figures.filter((figure) => holds(figure) === false).map((figure) => `missed: ${figure.name}`));
  for (const problem of problems) say(`  PROBLEM: ${problem}`);
  return { scenario: name, figures, problems };
}
