import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { exitCode } from '../src/exit-code.ts';
import { program } from '../src/program.ts';
import { formatFields } from '../src/record-format.ts';
import { repository } from './moldau-process.ts';
import { referenceOf } from './reference.ts';

const path = join(repository, 'docs/cli.md');
const border = '<!-- What follows is written by `UPDATE_DOCS=1 ava test/reference.test.ts` in libs/cli. -->\n\n';

test('docs/cli.md says what the program says', (t) => {
  const interrupted = new AbortController().signal;
  const none = new PassThrough();
  const reference = referenceOf(program({ stdin: none, stdout: none, stderr: none, env: {}, interrupted }));
  const [prose = ''] = readFileSync(path, 'utf8').split(border);
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, prose + border + reference);
  t.is(readFileSync(path, 'utf8'), prose + border + reference);
  for (const code of Object.values(exitCode)) t.regex(prose, new RegExp(`^\\| ${code} \\|`, 'm'));
  for (const [field = ''] of formatFields.matchAll(/%\S/g)) t.true(prose.includes(`\`${field}\``), field);
});
