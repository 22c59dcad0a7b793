import { median } from '@moldau/measure-tool/figure';

/** What is measured of whom, once or several times. */
export interface Samples {
  readonly what: string;
  readonly who: string;
  readonly unit: Unit;
  readonly runs: number[];
}

export type Unit = 'MB/s' | 'k records/s' | 'ms' | 'MiB' | 's' | 'bytes' | '%';

/** Everything that was measured so far. */
export class Measured {
  readonly #all = new Map<string, Samples>();

  add(what: string, who: string, unit: Unit, value: number): void {
    const key = `${what}\n${who}`;
    const known = this.#all.get(key);
    if (known === undefined) this.#all.set(key, { what, who, unit, runs: [value] });
    else known.runs.push(value);
  }

  get all(): Iterable<Samples> {
    return this.#all.values();
  }

  of(what: string, who: string): Samples | undefined {
    return this.#all.get(`${what}\n${who}`);
  }

  /** The median of the quotients of each round, so that what slows both down counts for neither. */
  ratio(what: string, who: string, to: string, toWhat = what): number | undefined {
    const [a, b] = [this.of(what, who), this.of(toWhat, to)];
    if (a === undefined || b === undefined) return undefined;
    const rounds = Math.min(a.runs.length, b.runs.length);
    return median(Array.from({ length: rounds }, (_, round) => (a.runs[round] ?? 0) / (b.runs[round] ?? 1)));
  }
}
