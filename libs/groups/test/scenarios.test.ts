import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { play } from './support/scenario.ts';

// `npx ava test/scenarios.test.ts -- --rewrite` writes down what happens: read the difference before you commit it.
const rewrites = process.argv.includes('--rewrite');
const folder = new URL('cases/', import.meta.url);

for (const file of readdirSync(folder)) {
  const path = new URL(file, folder);
  const text = readFileSync(path, 'utf8');
  test(text.slice(0, text.indexOf('\n')).replace(/^# /, ''), (t) => {
    const played = play(text);
    if (rewrites) writeFileSync(path, played);
    t.is(rewrites ? played : text, played, file);
  });
}
