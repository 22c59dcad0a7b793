// What the command does under a Node that is too old, in a copy that has no node_modules of its own.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { bin } from './moldau-process.ts';

/** Makes any Node say that it is an old one. */
const saysItIsOld = `
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } });
  Object.defineProperty(process, 'version', { value: 'v20.1.0' });
`;

/** Old ones that this machine really has, and this one, which is made to say so. */
const oldNodes = [
  ...nodesOfPath()
    .filter((path) => majorOf(path) < 24)
    .map((path) => ({ name: path, path, flags: () => [] })),
  {
    name: 'a Node that says it is 20.1.0',
    path: process.execPath,
    flags: (root: string) => {
      const preload = join(root, 'says-it-is-old.cjs');
      writeFileSync(preload, saysItIsOld);
      return ['--require', preload];
    },
  },
];

function nodesOfPath(): readonly string[] {
  const paths = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'node'));
  return [...new Set(paths.filter((path) => existsSync(path)).map((path) => realpathSync(path)))];
}

function majorOf(path: string): number {
  const { stdout } = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
  return Number.parseInt(stdout, 10);
}

/** A copy of the command, alone; its program says what it was given, and ends with 7. */
function copied(t: ExecutionContext) {
  const root = mkdtempSync(join(tmpdir(), 'moldau-old-node-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'apps/cli/bin'), { recursive: true });
  mkdirSync(join(root, 'apps/cli/src'));
  const copy = join(root, 'apps/cli/bin/moldau.mjs');
  copyFileSync(bin, copy);
  chmodSync(copy, 0o755);
  const program = 'console.log(process.version, ...process.argv.slice(2)); process.exit(7);';
  writeFileSync(join(root, 'apps/cli/src/main.ts'), program);
  return { root, copy };
}

for (const { name, path, flags } of oldNodes) {
  test(`${name}: without one that came along, it ends with 2 and says what to do`, (t) => {
    const { root, copy } = copied(t);
    const { status, stdout, stderr } = spawnSync(path, [...flags(root), copy, 'topics', 'list'], { encoding: 'utf8' });
    t.is(status, 2);
    t.is(stdout, '');
    t.regex(stderr, /^moldau: Node 24 or newer is needed, this is v\d+\.\d+\.\d+, and none came along for \S+-\S+: /);
    t.regex(stderr, /install Node 24, or run `npm ci` again with optional packages\n$/);
  });

  test(`${name}: the one that came along runs the command, with its arguments and its end`, (t) => {
    const { root, copy } = copied(t);
    const brought = join(root, `node_modules/node-linux-${process.arch}/bin`);
    mkdirSync(brought, { recursive: true });
    symlinkSync(process.execPath, join(brought, 'node'));
    const { status, stdout } = spawnSync(path, [...flags(root), copy, 'topics', 'list'], { encoding: 'utf8' });
    t.is(stdout, `${process.version} topics list\n`);
    t.is(status, 7);
  });
}
