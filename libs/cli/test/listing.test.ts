import test from 'ava';
import { renderRows } from '../src/listing.ts';

const rows = [
  { name: 'orders', partitions: 12, size_bytes: 1_500_000, in_sync: [1, 2], leader: null },
  { name: 'a "b"', partitions: 3, size_bytes: 0, in_sync: [], leader: 2 },
];

test('table: numbers to the right, sizes for people', (t) => {
  t.is(
    renderRows(rows, 'name', 'table'),
    [
      'NAME    PARTITIONS     SIZE  IN SYNC  LEADER',
      'orders          12  1.4 MiB  1,2           -',
      'a "b"            3      0 B  -             2',
      '',
    ].join('\n'),
  );
  t.is(renderRows([], 'name', 'table'), '');
});

test('json and jsonl say everything', (t) => {
  t.deepEqual(JSON.parse(renderRows(rows, 'name', 'json')), rows);
  const lines = renderRows(rows, 'name', 'jsonl').trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    rows,
  );
  t.is(renderRows([], 'name', 'json'), '[]\n');
  t.is(renderRows([], 'name', 'jsonl'), '');
});

test('yaml quotes text, and nests', (t) => {
  const nested = [{ name: 'a "b"', list: [1, 2], inner: [{ x: 1, y: [] }, { x: null }], none: {} }];
  t.is(
    renderRows(nested, 'name', 'yaml'),
    [
      '- name: "a \\"b\\""',
      '  list: [1,2]',
      '  inner:',
      '    - x: 1',
      '      y: []',
      '    - x: null',
      '  none: {}',
      '',
    ].join('\n'),
  );
  t.is(renderRows([], 'name', 'yaml'), '[]\n');
});

test('name: one a line', (t) => t.is(renderRows(rows, 'name', 'name'), 'orders\na "b"\n'));
