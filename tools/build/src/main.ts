import { globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Source runs unbuilt everywhere but in the image, which has no room for what only a build needs. Our own code becomes one
// file a program, with what they share beside them; packages from outside stay packages, for some are native, and some
// read files of their own.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const out = join(root, 'dist');

/** Packages from outside that the programs need when they run. */
function outside(): string[] {
  const names = globSync('{libs,apps}/*/package.json', { cwd: root }).flatMap((path) => {
    const manifest: { dependencies?: Record<string, string> } = JSON.parse(readFileSync(join(root, path), 'utf8'));
    return Object.keys(manifest.dependencies ?? {});
  });
  return [...new Set(names)].filter((name) => !name.startsWith('@moldau/'));
}

const programs = globSync('apps/*/src/main.ts', { cwd: root });
rmSync(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: programs.map((path) => ({ in: path, out: nameOf(path) })),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: outside().flatMap((name) => [name, `${name}/*`]),
  banner: { js: '#!/usr/bin/env node' },
  chunkNames: 'shared/[name]-[hash]',
  metafile: true,
  logLevel: 'warning',
});
const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`${programs.map(nameOf).join(', ')} in dist: ${Math.round(bytes / 1024)} KiB`);

/** The command of the app: the one of the command line is `moldau`. */
function nameOf(path: string): string {
  const app = path.split('/')[1] ?? '';
  return app === 'cli' ? 'moldau' : app;
}
