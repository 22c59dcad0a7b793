import { fileURLToPath } from 'node:url';
import test from 'ava';
import { checkFile } from '../src/file-rules.ts';
import { checkImports, importsOf } from '../src/import-rule.ts';
import { tidy } from '../src/main.ts';
import { type SourceFile, type Workspace, workspacesOf } from '../src/tree.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const workspaces = workspacesOf(root);

const workspace = (folder: string): Workspace => {
  const found = workspaces.find((one) => one.folder === folder);
  if (found === undefined) throw new Error(`no workspace ${folder}`);
  return found;
};
const file = (folder: string, text: string, isTest = false): SourceFile => ({
  path: `${folder}/${isTest ? 'test' : 'src'}/planted.ts`,
  workspace: workspace(folder),
  isTest,
  text,
});
const problems = (planted: SourceFile): string[] =>
  [...checkImports(planted, workspaces), ...checkFile(planted)].map(({ problem }) => problem);

test('the repository keeps the rules of the house', (t) => {
  t.deepEqual(tidy(root), []);
});

test('imports are found in every form', (t) => {
  const text = `import a from 'a';\nimport type { B } from "b";\nimport {\n  c,\n} from 'c';\nexport * from 'd';\nimport 'e';\nawait import('${'f'}');`;
  t.deepEqual(importsOf(text), ['a', 'b', 'c', 'd', 'e', 'f']);
});

for (const [what, folder, text] of [
  ['core imports the contract', 'libs/records', "import { x } from '@moldau/proto/moldau/log/v1/log_pb';"],
  ['core imports a module with I/O', 'libs/records', "import { readFileSync } from 'node:fs';"],
  ['core imports grpc', 'libs/records', "import { Server } from '@grpc/grpc-js';"],
  ['the engine imports the disk', 'libs/log', "import { open } from 'node:fs/promises';"],
  ['a service imports another service', 'libs/storage-node', "import { Coordinator } from '@moldau/coordinator';"],
  ['a service imports grpc', 'libs/coordinator', "import { Server } from '@grpc/grpc-js';"],
  ['the client imports the engine', 'libs/client', "import { LogDirectory } from '@moldau/log';"],
  ['a room imports what its package.json does not declare', 'libs/kernel', "import { x } from '@moldau/records';"],
  ['a room leaves its package by path', 'libs/log', "import { x } from '../../records/src/index.ts';"],
  ['core reads the clock', 'libs/records', 'const now = Date.now();'],
  ['a service sets a timer', 'libs/storage-node', 'setTimeout(() => {}, 1);'],
  ['a file leaves work behind', 'libs/log', '// TODO: later'],
] as const) {
  test(`refused: ${what}`, (t) => {
    t.not(problems(file(folder, text)).length, 0);
  });
}

test('allowed: what the plan allows', (t) => {
  t.deepEqual(
    problems(file('libs/log', "import { assert } from '@moldau/kernel';\nimport { crc32c } from '@moldau/records';")),
    [],
  );
  t.deepEqual(problems(file('libs/records', "import test from 'ava';", true)), []);
});

test('a test, too, imports only what is declared', (t) => {
  t.not(problems(file('libs/kernel', "import { x } from '@moldau/cluster';", true)).length, 0);
});
