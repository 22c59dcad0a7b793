import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isToCeiling, type Reached } from './goals.ts';

const recordedPath = fileURLToPath(new URL('../results/recorded-ratios.json', import.meta.url));

/** A ratio may fall so far below what was recorded, and a time rise so far above: machines are busy with other things, too. */
const allowedPart = 1 / 3;

export type Recorded = Readonly<Record<string, number>>;

const keyOf = ({ what, who, to }: Reached): string => `${what}: ${who} / ${to}`;

/** A ratio that has become worse. */
export interface Regression {
  readonly key: string;
  readonly text: string;
}

/** Which ratios to the ceiling have become worse than what was recorded, by more than a third. */
export function regressions(all: readonly Reached[], recorded: Recorded = readRecorded()): Regression[] {
  const ours = all.filter(isToCeiling);
  if (ours.length === 0) return [{ key: '', text: 'no ratio to the ceiling was measured' }];
  return ours.flatMap((one) => {
    const key = keyOf(one);
    const before = recorded[key];
    if (before === undefined) return [{ key, text: `${key} has no recorded value: record it with --record` }];
    const { better, ratio } = one;
    const isWorse = better === 'more' ? ratio < before * (1 - allowedPart) : ratio > before / (1 - allowedPart);
    return isWorse ? [{ key, text: `${key} is ${ratio.toFixed(3)}, and was ${before.toFixed(3)} when recorded` }] : [];
  });
}

const readRecorded = (): Recorded => JSON.parse(readFileSync(recordedPath, 'utf8')) as Recorded;

/** Keeps the ratios to the ceiling as what later runs are held against. */
export function record(all: readonly Reached[]): void {
  const ratios = all.filter(isToCeiling).map((one) => [keyOf(one), Number(one.ratio.toFixed(3))] as const);
  writeFileSync(recordedPath, `${JSON.stringify(Object.fromEntries(ratios), undefined, 2)}\n`);
}
