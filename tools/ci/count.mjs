// Adds up what the test runners of all packages said: "N tests passed", "N tests failed", "N uncaught exceptions" and
// the like. Reads a log on stdin, prints `passed failed`.
import { readFileSync } from 'node:fs';

const bad = [
  'test failed',
  'tests failed',
  'hook failed',
  'hooks failed',
  'uncaught exception',
  'unhandled rejection',
  'test remained',
  'timed out',
];
let passed = 0;
let failed = 0;
for (const line of readFileSync(0, 'utf8').split('\n')) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
  const text = line.replaceAll(/\u001b\[[0-9;]*m/g, '').trim();
  const match = /^(\d+) (.+)$/.exec(text);
  if (match === null) continue;
  const [, count, what] = match;
  if (/^tests? passed$/.test(what)) passed += Number(count);
  else if (bad.some((phrase) => what === phrase || what.startsWith(`${phrase}s`))) failed += Number(count);
}
console.log(passed, failed);
