import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, ClusterOptions } from '@moldau/chaos-tool/cluster';
import type { Load, LoadOptions } from '@moldau/chaos-tool/load';
import type { Moldau } from '@moldau/client';
import type { Figure } from '@moldau/measure-tool/figure';
import { SeededRandom } from '@moldau/testing';
import { Replicas } from './replicas.ts';

/** Something that fails, and what must hold meanwhile. Throws when it can't be brought about. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly cluster?: ClusterOptions;
  readonly load?: Partial<LoadOptions>;
  /** Why this machine can't show it. Absent: every machine can. */
  readonly impossible?: () => Promise<string | undefined>;
  run(scene: Scene): Promise<void>;
}

/** How scenarios are run. */
export interface RunOptions {
  /** Of calm load around the faults. */
  readonly seconds: number;
  /** Of what is left to chance. */
  readonly seed: number;
  readonly say: (text: string) => void;
}

/** What a scenario works with: a cluster in use, and what was found in it. */
export class Scene {
  readonly cluster: Cluster;
  readonly client: Moldau;
  readonly load: Load;
  readonly replicas: Replicas;
  readonly random: SeededRandom;
  readonly figures: Figure[] = [];
  readonly #scenario: string;
  readonly #calmMs: number;
  readonly #say: (text: string) => void;

  constructor(
    parts: { readonly cluster: Cluster; readonly client: Moldau; readonly load: Load },
    options: RunOptions & { readonly scenario: string },
  ) {
    this.cluster = parts.cluster;
    this.client = parts.client;
    this.load = parts.load;
    this.replicas = new Replicas(parts.client, parts.load.topic);
    this.random = new SeededRandom(options.seed);
    this.#scenario = options.scenario;
    this.#calmMs = options.seconds * 1_000;
    this.#say = options.say;
  }

  say(text: string): void {
    this.#say(`  ${text}`);
  }

  /** So many milliseconds, and the most that they may be. A miss is told at the end: what comes behind it still runs. */
  took(what: string, ms: number, atMostMs: number): void {
    this.say(`${ms <= atMostMs ? '' : 'MISSED: '}${what}: ${ms} ms (at most ${atMostMs})`);
    this.figures.push({
      name: `${this.#scenario}: ${what}`,
      unit: 'ms',
      runs: [ms],
      target: { atMost: atMostMs },
    });
  }

  /** The longest that each partition had no ack since the last call, or since the load began. */
  gaps(when: string, atMostMs: number): void {
    const { acks, reads } = this.load;
    this.say(
      `${when}, longest by partition: without an ack ${acks.longestMs.join(' ')}, without a record ${reads.longestMs.join(' ')} ms`,
    );
    this.took(`${when}, longest without an ack`, Math.max(...acks.longestMs), atMostMs);
    this.load.forget();
  }

  /** The load goes on for as long as was asked for. */
  asUsual(): Promise<void> {
    return pause(this.#calmMs);
  }

  /** The same, and what happened before is forgotten. */
  async calm(): Promise<void> {
    await this.asUsual();
    this.load.forget();
  }

  /** Nothing fails any more: every partition takes records again, and every copy is in sync. */
  async recover(atMostMs: number): Promise<void> {
    const since = performance.now();
    await this.untilTaking();
    this.took('until every partition took records', Math.round(performance.now() - since), atMostMs);
    await this.replicas.untilWhole();
    this.took('until all were in sync', Math.round(performance.now() - since), atMostMs);
    this.load.forget();
  }

  /** Resolves when every partition has taken a record since now; with the milliseconds until then. */
  async untilTaking(): Promise<number> {
    const since = performance.now();
    const before = this.load.acks.counts;
    const isTaking = (): boolean => this.load.acks.counts.every((count, partition) => count > (before[partition] ?? 0));
    while (!isTaking()) await pause(5);
    return Math.round(performance.now() - since);
  }
}
