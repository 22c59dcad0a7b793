import test from 'ava';
import { recordFormatter } from '../src/record-format.ts';

const record = {
  topic: 'orders',
  partition: 3,
  offset: 42n,
  timestampMs: 1_700_000_000_000,
  key: Buffer.from('k'),
  value: Buffer.from('ž'),
  headers: [
    { name: 'a', value: Buffer.from('1') },
    { name: 'b', value: null },
  ],
};

const print = (format: string, given = record, terminal = false): string =>
  Buffer.from(recordFormatter({ format }, terminal)({ ...given })).toString();

test('each field of the format', (t) => {
  t.is(print('%t|%p|%o|%k|%v|%s|%h|%T|%K|%V|%S|%%'), 'orders|3|42|k|ž|ž|a=1,b=|1700000000000|1|2|2|%');
});

test('escapes, and text between', (t) => {
  t.is(print('%o:\\t%v\\n\\r\\\\\\0'), '42:\tž\n\r\\\0');
});

test('without a format: the value and a newline', (t) => {
  t.is(Buffer.from(recordFormatter({}, false)(record)).toString(), 'ž\n');
});

test('null key and value', (t) => {
  const tombstone = { ...record, key: null, value: null };
  t.is(Buffer.from(recordFormatter({ format: '[%k][%v]%K,%V' }, false)(tombstone)).toString(), '[][]-1,-1');
});

test('an unknown field is refused, and the others named', (t) => {
  t.throws(() => recordFormatter({ format: '%x' }, false), { message: /no format %x: there are %t topic/ });
});

const binary = { ...record, key: Buffer.from([0x1b, 0x5b]), value: Buffer.from([0xff, 0x00, 0x41]) };

test('a pipe gets bytes as they are', (t) => {
  t.deepEqual([...recordFormatter({ format: '%v' }, false)(binary)], [0xff, 0x00, 0x41]);
});

test('a terminal gets nothing that could upset it', (t) => {
  t.is(print('%k %v', binary, true), '\\x1b[ \\xff\\x00A');
  t.is(print('%v', record, true), 'ž');
  t.is(print('%h', { ...record, headers: [{ name: 'x', value: Buffer.from('\u001b[2J') }] }, true), 'x=\\x1b[2J');
});

test('JSON names fields as the contract does, and loses no byte', (t) => {
  const json: unknown = JSON.parse(Buffer.from(recordFormatter({ json: true }, true)(binary)).toString());
  t.deepEqual(json, {
    topic: 'orders',
    partition: 3,
    offset: '42',
    timestamp_ms: 1_700_000_000_000,
    key: '\u001b[',
    value_base64: '/wBB',
    headers: [
      { name: 'a', value: '1' },
      { name: 'b', value: null },
    ],
  });
});
