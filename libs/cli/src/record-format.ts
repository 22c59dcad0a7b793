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
  return [...format.matchAll(/%(.?)|\\(.?)|[^%\\]+/gs)].map(([text, field, escapeName]) => {
    if (field !== undefined) {
      const piece = fields[field];
      if (piece === undefined) throw usage(`no format %${field}: there are %t %p %o %k %v %h %T %%`);
      return piece;
    }
    const plain = escapeName === undefined ? text : (escapes[escapeName] ?? text);
    return () => plain;
  });
}

/** Text as it is, and anything that could upset a terminal as `\\xNN`. What is no UTF-8 is shown byte by byte. */
function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  const characters = text.includes('\uFFFD') ? Buffer.from(bytes).toString('latin1') : text;
  return [...characters].map((character) => (isHarmless(character) ? character : escaped(character))).join('');
}

/** Tab, newline, and whatever is neither a control character nor half of a broken one. */
function isHarmless(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x09 || code === 0x0a) return true;
  return code >= 0x20 && !(code >= 0x7f && code <= 0x9f);
}

const escaped = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
