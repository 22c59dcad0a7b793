import { kindRules } from './rooms.ts';
import type { Finding, SourceFile } from './tree.ts';

const maxLines = 500;
const vagueName = /(^|[/-])(utils?|helpers?|common|manager|misc)(-|\.)/;
const ownTime =
  /\b(Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval|setImmediate|process\.nextTick|Math\.random|crypto\.random)/;
// The place where this was written is nobody's business: the repository speaks of the product alone.
const foreignWords = /(^|[^A-Za-z0-9_.])\/(work|home|root)\/|\.\.\/shared\b|https?:\/\/(registry|deb|repo1?)\./;
const shortcuts =
  /\b(TODO|FIXME|XXX)\b|@ts-(ignore|expect-error|nocheck)|(biome|oxlint|eslint)-(ignore|disable)|as unknown as|\bas any\b|\.(only|failing)\(/;

/** Sizes, names and words. */
export function checkFile(file: SourceFile): Finding[] {
  const { path, text, workspace, isTest } = file;
  const lines = text.split('\n');
  const findings: Finding[] = [];
  const say = (problem: string): void => void findings.push({ path, problem });
  if (lines.length > maxLines) say(`has ${lines.length} lines: at most ${maxLines}, split it by concept`);
  if (vagueName.test(path)) say('has a name that says nothing: name the concept');
  const mayKeepTime = isTest || workspace.kind === undefined || kindRules[workspace.kind].ownTime;
  for (const [index, line] of lines.entries()) {
    const at = `line ${index + 1}`;
    if (!mayKeepTime && !line.trim().startsWith('*') && ownTime.test(line))
      say(`${at} takes time or chance past the ports: ${line.trim()}`);
    if (workspace.room === 'tidy') continue;
    if (foreignWords.test(line)) say(`${at} names a place outside the repository: ${line.trim()}`);
    if (shortcuts.test(line)) say(`${at} takes a short cut: ${line.trim()}`);
  }
  return findings;
}
