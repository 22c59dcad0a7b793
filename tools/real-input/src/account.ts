/** What `moldau produce --report` says of one line. */
export interface Reported {
  readonly line: number;
  readonly partition?: number;
  readonly offset?: string | null;
  readonly outcome?: string;
}

/** What `moldau consume` gave. */
export interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** What was found when the books were balanced. */
export interface Account {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly read: number;
  readonly problems: readonly string[];
}

/** One pass over the input: its lines, and the report on them. */
export interface Pass {
  readonly lines: readonly string[];
  readonly report: readonly Reported[];
}

/** Holds what was read against what was reported. Nothing acknowledged may be missing, repeated, moved or changed. */
export function balance(passes: readonly Pass[], read: readonly Read[]): Account {
  const problems: string[] = [];
  const at = new Map<string, string>();
  const lastOffset = new Map<number, number>();
  for (const { partition, offset, value } of read) {
    const place = `${partition}/${offset}`;
    if (at.has(place)) problems.push(`${place} was read twice`);
    if (offset !== (lastOffset.get(partition) ?? -1) + 1)
      problems.push(`${place} came after ${lastOffset.get(partition)}`);
    lastOffset.set(partition, offset);
    at.set(place, value);
  }
  const unknown = new Map<string, number>();
  let acknowledged = 0;
  let unknownLines = 0;
  for (const { lines, report } of passes) {
    if (report.length !== lines.length) problems.push(`${report.length} lines are reported of ${lines.length}`);
    const lastOf = new Map<number, number>();
    for (const { line, partition, offset, outcome } of [...report].sort((a, b) => a.line - b.line)) {
      const value = lines[line - 1] ?? '';
      if (partition === undefined || offset === undefined || offset === null) {
        if (outcome !== 'NOT_WRITTEN') unknownLines += 1;
        if (outcome !== 'NOT_WRITTEN') unknown.set(value, (unknown.get(value) ?? 0) + 1);
        continue;
      }
      acknowledged += 1;
      const place = `${partition}/${offset}`;
      const found = at.get(place);
      if (found === undefined) problems.push(`line ${line} was acknowledged at ${place}, and is not there`);
      else if (found !== value) problems.push(`line ${line} was acknowledged at ${place}, where another text stands`);
      at.delete(place);
      if (Number(offset) <= (lastOf.get(partition) ?? -1))
        problems.push(`line ${line} stands before an earlier one at ${place}`);
      lastOf.set(partition, Number(offset));
    }
  }
  for (const [place, value] of at) {
    const left = unknown.get(value) ?? 0;
    if (left === 0) problems.push(`${place} holds a line that nobody may have written, or twice`);
    unknown.set(value, left - 1);
  }
  return { acknowledged, unknown: unknownLines, read: read.length, problems };
}
