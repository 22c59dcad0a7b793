/** What a figure is held against. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

export type Unit = 's' | 'ms' | 'MiB' | 'KiB' | 'MB/s' | 'records/s' | 'commits/s' | '%';

/** One thing that was measured, once or several times. */
export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly runs: readonly number[];
  /** Absent: stated for comparison only. */
  readonly target?: Target;
}

/** The middle one of several runs; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [lower, upper] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  if (lower === undefined || upper === undefined) throw new Error('nothing was measured');
  return (lower + upper) / 2;
}

/** The smallest value that at least this share of all values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** Whether the median holds the target; undefined where there is none. */
export function holds({ runs, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  const value = median(runs);
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}
