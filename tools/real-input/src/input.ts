import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes at least `minLines` lines of real text to `path`: the repository's history, then the texts of its packages. */
export function writeInput(root: string, path: string, minLines: number): string[] {
  const lines: string[] = [];
  for (const text of texts(root)) {
    for (const line of text.split('\n')) lines.push(line);
    if (lines.length >= minLines) break;
  }
  if (lines.length < minLines) throw new Error(`found only ${lines.length} lines of text, ${minLines} are needed`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return lines;
}

function* texts(root: string): Generator<string> {
  yield execFileSync('git', ['log', '-p', '--no-color'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 30 });
  const modules = join(root, 'node_modules');
  for (const name of readdirSync(modules, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/\.(md|d\.ts)$/.test(name)) yield readFileSync(join(modules, name), 'utf8');
  }
}
