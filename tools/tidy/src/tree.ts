import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Kind, rooms } from './rooms.ts';

/** One workspace: a room, an app or a tool. */
export interface Workspace {
  /** Its folder from the root, as `libs/log`. */
  readonly folder: string;
  /** The last part of it. */
  readonly room: string;
  readonly kind: Kind | undefined;
  readonly packageName: string;
  /** What its package.json declares, development packages apart. */
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

/** One source file. */
export interface SourceFile {
  /** From the root. */
  readonly path: string;
  readonly workspace: Workspace;
  readonly isTest: boolean;
  readonly text: string;
}

/** Something that breaks a rule of the house. */
export interface Finding {
  readonly path: string;
  readonly problem: string;
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const kindOf = (group: string, room: string): Kind | undefined => {
  if (group === 'apps') return 'app';
  return group === 'tools' ? 'tool' : rooms[room];
};

/** Every workspace of the repository. */
export function workspacesOf(root: string): Workspace[] {
  return ['libs', 'apps', 'tools'].flatMap((group) =>
    readdirSync(join(root, group))
      .filter((room) => existsSync(join(root, group, room, 'package.json')))
      .map((room) => {
        const manifest = JSON.parse(readFileSync(join(root, group, room, 'package.json'), 'utf8')) as Manifest;
        return {
          folder: `${group}/${room}`,
          room,
          kind: kindOf(group, room),
          packageName: manifest.name,
          dependencies: Object.keys(manifest.dependencies ?? {}),
          devDependencies: Object.keys(manifest.devDependencies ?? {}),
        };
      }),
  );
}

/** Every TypeScript file of a workspace; generated code is not ours to judge. */
export function sourcesOf(root: string, workspace: Workspace): SourceFile[] {
  if (workspace.kind === 'contract') return [];
  return ['src', 'test', 'bin'].flatMap((part) =>
    filesBelow(join(root, workspace.folder, part))
      .filter((path) => /\.(ts|mjs)$/.test(path))
      .map((path) => ({
        path: relative(root, path),
        workspace,
        isTest: part === 'test',
        text: readFileSync(path, 'utf8'),
      })),
  );
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}
