import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { coordinatorProgram, gatewayProgram, settingsTable, storageNodeProgram } from '../src/index.ts';

const path = fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url));
const border =
  '<!-- What follows is written by `UPDATE_DOCS=1 npx ava test/configuration.test.ts` in libs/process. -->\n\n';

test('the documentation has every setting of every process', (t) => {
  const [prose = ''] = readFileSync(path, 'utf8').split(border);
  const tables = [storageNodeProgram, coordinatorProgram, gatewayProgram]
    .map((program) => `## \`${program.name}\`\n\n${program.summary}\n\n${settingsTable(program)}`)
    .join('\n');
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, prose + border + tables);
  t.is(readFileSync(path, 'utf8'), prose + border + tables, 'UPDATE_DOCS=1 npx ava test/configuration.test.ts');
});
