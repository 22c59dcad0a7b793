import { median } from '@moldau/measure-tool/figure';
import type { Reached } from './goals.ts';
import type { Measured, Samples } from './samples.ts';

const barCells = 20;

/** Everything as a table for each thing that was measured, in Markdown, with a bar for each figure. */
export function tables(measured: Measured): string {
  const groups = new Map<string, Samples[]>();
  for (const samples of measured.all) groups.set(samples.what, [...(groups.get(samples.what) ?? []), samples]);
  return [...groups].map(([what, group]) => table(what, group)).join('\n\n');
}

function table(what: string, group: readonly Samples[]): string {
  const most = Math.max(...group.map(({ runs }) => median(runs)));
  const rows = group.map(({ who, unit, runs }) => {
    const middle = median(runs);
    const range = runs.length === 1 ? '' : `${figure(Math.min(...runs))} to ${figure(Math.max(...runs))}`;
    return `| ${who} | ${figure(middle)} ${unit} | ${range} | ${bar(middle, most)} |`;
  });
  return [`**${what}**`, '', '| | median | runs | |', '| --- | ---: | --- | --- |', ...rows].join('\n');
}

/** What is to be reached, and what was. */
export function goalTable(all: readonly Reached[]): string {
  const rows = all.map((one) => {
    const { what, who, to, toWhat, better, ratio, floor, goal } = one;
    const sign = better === 'more' ? '≥' : '≤';
    const other = toWhat === undefined || toWhat === what ? to : `${to} (${toWhat})`;
    const wanted = goal === undefined ? '' : `${sign} ${figure(goal)}`;
    return `| ${what} | ${who} / ${other} | ${figure(ratio)} | ${sign} ${figure(floor)} | ${wanted} | ${verdict(one)} |`;
  });
  const head = ['| what | ratio of | is | floor | goal | |', '| --- | --- | ---: | ---: | ---: | --- |'];
  return [...head, ...rows].join('\n');
}

function verdict({ hasCeiling, isFloorHeld, isReached }: Reached): string {
  if (!hasCeiling) return 'no ceiling in this run';
  if (isReached) return 'goal reached';
  return isFloorHeld ? 'floor held' : '**missed**';
}

/** Three digits that count. */
const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString());

const bar = (value: number, most: number): string => '█'.repeat(Math.round((value / most) * barCells));
