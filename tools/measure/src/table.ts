import { type Figure, holds, median, type Target } from './figure.ts';

/** The figures as a table in Markdown. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    `${rounded(median(figure.runs))} ${figure.unit}`,
    figure.runs.length === 1 ? '1' : `${figure.runs.length}: ${figure.runs.map(rounded).join(', ')}`,
    figure.target === undefined ? '–' : `${bound(figure.target)} ${figure.unit}`,
    { true: 'holds', false: '**misses**', undefined: '–' }[`${holds(figure)}`],
  ]);
  const header = ['what', 'median', 'runs', 'target', ''];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const bound = (target: Target): string => ('atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`);

/** Three figures that count. */
function rounded(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
