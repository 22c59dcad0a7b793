import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkFile } from './file-rules.ts';
import { checkImports } from './import-rule.ts';
import { type Finding, sourcesOf, workspacesOf } from './tree.ts';

/** Everything in the repository that breaks a rule of the house. */
export function tidy(root: string): Finding[] {
  const workspaces = workspacesOf(root);
  const files = workspaces.flatMap((workspace) => sourcesOf(root, workspace));
  const unread = workspaces
    .filter(
      ({ folder, kind }) =>
        folder.startsWith('libs/') && kind !== 'contract' && !existsSync(`${root}/${folder}/README.md`),
    )
    .map(({ folder }) => ({ path: folder, problem: 'has no README.md' }));
  return [...unread, ...files.flatMap((file) => [...checkImports(file, workspaces), ...checkFile(file)])];
}

if (import.meta.main) {
  const findings = tidy(fileURLToPath(new URL('../../..', import.meta.url)));
  for (const { path, problem } of findings) console.error(`${path}: ${problem}`);
  console.log(findings.length === 0 ? 'tidy' : `${findings.length} findings`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
