import { Readable } from 'node:stream';
import test from 'ava';
import { lineParser, type ParserOptions } from '../src/line-parser.ts';
import { linesOf } from '../src/lines.ts';

function parse(options: ParserOptions, line: string) {
  const { key, value, headers, partition } = lineParser(options)(Buffer.from(line), 7);
  const textOf = (bytes: Uint8Array | string | null | undefined): string | null | undefined =>
    bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : bytes;
  return {
    key: textOf(key),
    value: textOf(value),
    ...(headers !== undefined && { headers: headers.map((header) => [header.name, textOf(header.value)]) }),
    ...(partition !== undefined && { partition }),
  };
}

test('a line is a value', (t) => t.deepEqual(parse({}, 'a:b'), { key: null, value: 'a:b' }));
test('with a fixed key', (t) => t.deepEqual(parse({ key: 'k' }, 'v'), { key: 'k', value: 'v' }));
test('split at the first delimiter', (t) => {
  t.deepEqual(parse({ keyDelimiter: '::' }, 'a::b::c'), { key: 'a', value: 'b::c' });
  t.deepEqual(parse({ keyDelimiter: ':' }, 'plain'), { key: null, value: 'plain' });
  t.deepEqual(parse({ keyDelimiter: ':' }, ':v'), { key: '', value: 'v' });
});
test('headers and partition go to every record', (t) => {
  const options = { header: ['a=1', 'b=x=y', 'c='], partition: '4' };
  const headers = [
    ['a', '1'],
    ['b', 'x=y'],
    ['c', ''],
  ];
  t.deepEqual(parse(options, 'v'), { key: null, value: 'v', headers, partition: 4 });
});

const json: readonly (readonly [string, object])[] = [
  ['{"value":"v"}', { key: null, value: 'v' }],
  ['{"key":"k","value":null}', { key: 'k', value: null }],
  ['{"key":1,"value":{"a":[1]}}', { key: '1', value: '{"a":[1]}' }],
  ['{"value_base64":"aGk="}', { key: null, value: 'hi' }],
  [
    '{"value":"v","headers":{"h":"x","n":null}}',
    {
      key: null,
      value: 'v',
      headers: [
        ['h', 'x'],
        ['n', null],
      ],
    },
  ],
  [
    '{"value":"v","headers":[{"name":"h","value":"1"},{"name":"h","value_base64":"aGk="}],"offset":"5"}',
    {
      key: null,
      value: 'v',
      headers: [
        ['h', '1'],
        ['h', 'hi'],
      ],
    },
  ],
];
for (const [line, expected] of json) {
  test(`--json ${line}`, (t) => t.deepEqual(parse({ json: true }, line), expected));
}

for (const line of [
  '',
  'text',
  '[]',
  '1',
  'null',
  '{"value":"v","headers":3}',
  '{"value":"v","headers":[{"value":"x"}]}',
]) {
  test(`--json refuses ${line}`, (t) => {
    t.throws(() => parse({ json: true }, line), { message: /^line 7: (no JSON object such as|headers are neither)/ });
  });
}

const wrong: readonly (readonly [ParserOptions, RegExp])[] = [
  [{ key: 'k', json: true }, /--key and --json exclude each other: choose one/],
  [{ key: 'k', keyDelimiter: ':' }, /--key and --key-delimiter exclude/],
  [{ keyDelimiter: '' }, /--key-delimiter is empty: give/],
  [{ partition: '-1' }, /--partition "-1": use a whole number from 0 on/],
  [{ header: ['x'] }, /"x" is no header: use NAME=VALUE/],
];
for (const [options, message] of wrong) {
  test(`flags ${JSON.stringify(options)} are refused`, (t) => {
    t.throws(() => lineParser(options), { message });
  });
}

async function lines(chunks: readonly string[], maxBytes = 100): Promise<string[]> {
  const found: string[] = [];
  for await (const some of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), maxBytes)) {
    found.push(...some.map((line) => Buffer.from(line).toString()));
  }
  return found;
}

test('lines do not care how the bytes arrive', async (t) => {
  t.deepEqual(await lines(['a\nb', 'c\n', '\n', 'd']), ['a', 'bc', '', 'd']);
  t.deepEqual(await lines(['a\r\nb\n']), ['a\r', 'b']);
  t.deepEqual(await lines([]), []);
});

test('a line without end is refused before it fills the memory', async (t) => {
  await t.throwsAsync(lines(['x'.repeat(60), 'x'.repeat(60)]), { message: /longer than 100 bytes/ });
});
