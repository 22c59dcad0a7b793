// Runs after `npm ci`, on whatever Node the machine has. Moldau needs Node 24: the package `node-linux-<arch>` brings
// one along, and this makes it the `node` of every npm script, `npx` and shebang in this repository.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const brought = join(modules, `node-linux-${process.arch}`, 'bin', 'node');

if (existsSync(brought)) {
  const link = join(modules, '.bin', 'node');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join('..', `node-linux-${process.arch}`, 'bin', 'node'), link);
}
