import type { Millis } from '@moldau/kernel';
import type { Conditions, MemoryNetwork, Passage } from '@moldau/rpc';
import type { SeededRandom } from './seeded-random.ts';

interface Range {
  readonly min: Millis;
  readonly max: Millis;
}

/** What a network does to messages, as a test changes it: delays, one-way silence, broken connections. */
export class NetworkWeather {
  readonly #random: SeededRandom;
  readonly #usualMs: Range;
  readonly #held = new Map<string, readonly [from: string, to: string]>();
  #delayMs: Range;
  #dropChance = 0;

  constructor(random: SeededRandom, usualMs: Range) {
    this.#random = random;
    this.#usualMs = usualMs;
    this.#delayMs = usualMs;
  }

  readonly conditions: Conditions = (from, to): Passage => {
    if (this.#held.has(way(from, to))) return 'hold';
    if (this.#dropChance > 0 && this.#random.chance(this.#dropChance)) return 'drop-connection';
    const { min, max } = this.#delayMs;
    return { delayMs: min + (max - min) * this.#random.next() };
  };

  get isCalm(): boolean {
    return this.#held.size === 0 && this.#dropChance === 0 && this.#delayMs === this.#usualMs;
  }

  delay(range: Range): void {
    this.#delayMs = range;
  }

  /** Each message breaks its connection with this probability. */
  dropConnections(chance: number): void {
    this.#dropChance = chance;
  }

  /** Nothing arrives at `to` from `from` any more, and nobody is told. */
  hold(from: string, to: string): void {
    this.#held.set(way(from, to), [from, to]);
  }

  release(network: MemoryNetwork, from: string, to: string): void {
    this.#held.delete(way(from, to));
    network.release(from, to);
  }

  /** The usual delay, and nothing else. */
  clear(network: MemoryNetwork): void {
    this.#delayMs = this.#usualMs;
    this.#dropChance = 0;
    for (const [from, to] of [...this.#held.values()]) this.release(network, from, to);
  }
}

const way = (from: string, to: string): string => `${from} > ${to}`;
