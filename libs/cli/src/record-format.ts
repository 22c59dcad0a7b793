import type { ConsumedRecord } from '@moldau/client';
import { usage } from './exit-code.ts';

type Bytes = Uint8Array<ArrayBufferLike>;
type Binary = ConsumedRecord<Bytes, Bytes>;
type Piece = (record: Binary) => Uint8Array | string;

/** How a record is printed: `-f`, `--json`, or its value and a newline. */
export function recordFormatter(
  options: { format?: string; json?: boolean },
  toTerminal: boolean,
): (record: Binary) => Uint8Array {
  if (options.json === true) return (record) => Buffer.from(`${jsonOf(record)}\n`);
  const pieces = parseFormat(options.format ?? '%v\\n', toTerminal);
  return (record) => Buffer.concat(pieces.map((piece) => bytesOf(piece(record))));
}

const bytesOf = (piece: Uint8Array | string): Uint8Array => (typeof piece === 'string' ? Buffer.from(piece) : piece);

function jsonOf({ topic, partition, offset, timestampMs, key, value, headers }: Binary): string {
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());
  return JSON.stringify({
    topic,
    partition,
    offset: String(offset),
    timestamp: timestampMs,
    key: text(key),
    value: text(value),
    headers: headers.map((header) => ({ name: header.name, value: text(header.value) })),
  });
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '0': '\0' };

/** The grammar: `%t` topic, `%p` partition, `%o` offset, `%k` key, `%v` value, `%h` headers, `%T` timestamp, `%%`, and `\n \t \r \\ \0`. */
function parseFormat(format: string, toTerminal: boolean): Piece[] {
  const show = (bytes: Uint8Array | null): Uint8Array | string =>
    bytes === null ? '' : toTerminal ? printable(bytes) : bytes;
  const fields: Readonly<Record<string, Piece>> = {
    t: ({ topic }) => topic,
    p: ({ partition }) => String(partition),
    o: ({ offset }) => String(offset),
    k: ({ key }) => show(key),
    v: ({ value }) => show(value),
    h: ({ headers }) =>
      headers.map(({ name, value }) => `${name}=${value === null ? '' : Buffer.from(value).toString()}`).join(','),
    T: ({ timestampMs }) => String(timestampMs),
    '%': () => '%',
  };
  return [...format.matchAll(/%(.?)|\\(.?)|[^%\\]+/gs)].map(([text, field, escape]) => {
    if (field !== undefined) {
      const piece = fields[field];
      if (piece === undefined) throw usage(`no format %${field}: there are %t %p %o %k %v %h %T %%`);
      return piece;
    }
    const plain = escape === undefined ? text : (escapes[escape] ?? text);
    return () => plain;
  });
}

/** Text as it is, anything that could upset a terminal as \\xNN. */
function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  const isText = !text.includes('\uFFFD');
  const source = isText ? text : Buffer.from(bytes).toString('latin1');
  const unsafe = isText ? /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g : /[^\u0009\u000a\u0020-\u007e]/g;
  return source.replace(unsafe, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
