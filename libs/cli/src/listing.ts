import { type Io, write } from './io.ts';
import { roughBytes } from './numbers.ts';
import type { Output } from './settings.ts';

/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
/** One line of a listing: its fields bear the contract's names. */
export type Row = Readonly<Record<string, Json>>;

/** Writes rows in the form that was asked for: a table on a terminal and JSON lines in a pipe, unless said otherwise. */
export async function printRows(
  rows: readonly Row[],
  nameField: string,
  output: Output | undefined,
  io: Io,
): Promise<void> {
  await write(io.stdout, renderRows(rows, nameField, output ?? defaultOutput(io)));
}

/** Writes one thing: `table` is what a person sees, the other forms show `thing`. */
export async function printThing(
  thing: Row,
  { name, table }: { readonly name: string; readonly table: () => string },
  output: Output | undefined,
  io: Io,
): Promise<void> {
  switch (output ?? defaultOutput(io)) {
    case 'table':
      return write(io.stdout, table());
    case 'json':
      return write(io.stdout, `${JSON.stringify(thing, undefined, 2)}\n`);
    case 'jsonl':
      return write(io.stdout, `${JSON.stringify(thing)}\n`);
    case 'yaml':
      return write(io.stdout, `${yamlOf(thing, '').trimStart()}\n`);
    case 'name':
      return write(io.stdout, `${name}\n`);
  }
}

/** For a listing that may be empty: a person would wonder whether nothing was found, or nothing happened. */
export function sayNone(
  rows: readonly Row[],
  output: Output | undefined,
  { quiet }: { readonly quiet?: boolean },
  io: Io,
): void {
  const isTable = (output ?? defaultOutput(io)) === 'table';
  if (rows.length === 0 && isTable && quiet !== true) io.stderr.write('(none)\n');
}

const defaultOutput = (io: Io): Output => (io.stdout.isTTY === true ? 'table' : 'jsonl');

export function renderRows(rows: readonly Row[], nameField: string, output: Output): string {
  switch (output) {
    case 'table':
      return tableOf(rows);
    case 'json':
      return `${JSON.stringify(rows, undefined, 2)}\n`;
    case 'jsonl':
      return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    case 'yaml':
      return rows.length === 0 ? '[]\n' : `${yamlOf(rows, '').trimStart()}\n`;
    case 'name':
      return rows.map((row) => `${cellOf(row[nameField])}\n`).join('');
  }
}

const sizeEnding = '_bytes';

/** Columns as wide as their widest cell; numbers to the right. No rows: no table. */
export function tableOf(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const columns = Object.keys(first).map((field) => {
    const isSize = field.endsWith(sizeEnding);
    const cells = rows.map((row) => (isSize ? sizeOf(row[field]) : cellOf(row[field])));
    const title = (isSize ? field.slice(0, -sizeEnding.length) : field).replaceAll('_', ' ').toUpperCase();
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    const toRight = isSize || rows.every((row) => /^-?\d*$/.test(cellOf(row[field])));
    return [title, ...cells].map((cell) => (toRight ? cell.padStart(width) : cell.padEnd(width)));
  });
  return [-1, ...rows.keys()]
    .map(
      (row) =>
        `${columns
          .map((cells) => cells[row + 1])
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Lines of `name  value`. */
export function factsOf(facts: Row): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  const lines = Object.entries(facts).map(
    ([name, value]) => `${name.replaceAll('_', ' ').padEnd(width)}  ${cellOf(value)}\n`,
  );
  return lines.join('');
}

const sizeOf = (value: Json | undefined): string => (typeof value === 'number' ? roughBytes(value) : cellOf(value));

function cellOf(value: Json | undefined): string {
  if (value === undefined || value === null) return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellOf).join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Block style with quoted text: what every YAML reader reads the same. */
function yamlOf(value: Json, indent: string): string {
  if (typeof value !== 'object' || value === null) return ` ${JSON.stringify(value)}`;
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object' || item === null)) return ` ${JSON.stringify(value)}`;
    return value.map((item: Json) => `\n${indent}-${yamlOf(item, deeper).replace(/^\n\s+/, ' ')}`).join('');
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return ' {}';
  return entries.map(([name, item]) => `\n${indent}${name}:${yamlOf(item, deeper)}`).join('');
}
