#!/usr/bin/env node
// Plain JavaScript on purpose: it runs on whatever Node the machine has, and finds the one that Moldau needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const needed = 24;

if (Number(process.versions.node.split('.')[0]) >= needed) {
  module.enableCompileCache?.();
  await import('../src/main.ts');
} else {
  const brought = fileURLToPath(new URL(`../../../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url));
  if (!existsSync(brought)) {
    console.error(
      `moldau: Node ${needed} or newer is needed, this is ${process.version}, and none came along for ` +
        `${process.platform}-${process.arch}: install Node ${needed}, or run \`npm ci\` again with optional packages`,
    );
    process.exit(2);
  }
  const child = spawn(brought, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}
