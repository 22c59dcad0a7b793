import { isBuiltin } from 'node:module';
import { exclusive, type KindRule, kindRules } from './rooms.ts';
import type { Finding, SourceFile, Workspace } from './tree.ts';

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;

/** What a file imports, by the names that it uses. */
export const importsOf = (text: string): string[] =>
  // A name that is put together at run time is not one to judge.
  [...text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? '').filter((name) => !name.includes('${'));

/** Reads every import of a file against the plan of the house. */
export function checkImports(file: SourceFile, workspaces: readonly Workspace[]): Finding[] {
  return importsOf(file.text).flatMap((name) => {
    const problem = judge(name, file, workspaces);
    return problem === undefined ? [] : [{ path: file.path, problem: `imports ${name}: ${problem}` }];
  });
}

function judge(name: string, file: SourceFile, workspaces: readonly Workspace[]): string | undefined {
  const { workspace, isTest } = file;
  if (workspace.kind === undefined) return `${workspace.folder} stands in no kind: add it to the plan`;
  if (name.startsWith('.'))
    return leavesPackage(name, file) ? 'leaves its package: import the package by name' : undefined;
  const packageName = packageOf(name);
  if (!isBuiltin(name) && packageName !== workspace.packageName && !isDeclared(packageName, file)) {
    return 'its package.json does not declare it';
  }
  if (isTest || packageName === workspace.packageName) return undefined;
  const keepers = exclusive[isBuiltin(name) ? name : packageName];
  if (keepers !== undefined && workspace.kind !== 'tool' && workspace.kind !== 'test') {
    return keepers.includes(workspace.room) ? undefined : `only ${keepers.join(', ')} may touch it`;
  }
  const rule = kindRules[workspace.kind];
  if (isBuiltin(name)) return rule.node === 'any' || rule.node.includes(name) ? undefined : `${workspace.kind} may not`;
  const target = workspaces.find((other) => other.packageName === packageName);
  if (target === undefined) return allowsPackage(rule, packageName) ? undefined : `${workspace.kind} may not`;
  const allowed =
    rule.rooms?.includes(target.room) === true || (target.kind !== undefined && rule.kinds.includes(target.kind));
  return allowed ? undefined : `${workspace.kind} may not import ${target.kind}`;
}

const allowsPackage = ({ packages }: KindRule, name: string): boolean => packages === 'any' || packages.includes(name);

function isDeclared(name: string, { workspace, isTest }: SourceFile): boolean {
  if (workspace.dependencies.includes(name)) return true;
  // The root brings the test runner, and what makes random cases, to every test.
  if (['ava', 'fast-check'].includes(name)) return isTest || workspace.kind === 'test';
  // A tool is no part of what is shipped, and so is what only it needs.
  return (isTest || workspace.kind === 'tool') && workspace.devDependencies.includes(name);
}

const packageOf = (name: string): string =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

function leavesPackage(name: string, { path, workspace }: SourceFile): boolean {
  const depth = path.split('/').length - workspace.folder.split('/').length - 1;
  return name.split('/').filter((part) => part === '..').length > depth;
}
