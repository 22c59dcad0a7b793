import { isUtf8 } from 'node:buffer';
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
  return JSON.stringify({
    topic,
    partition,
    offset: String(offset),
    timestamp_ms: timestampMs,
    ...bytesField('key', key),
    ...bytesField('value', value),
    headers: headers.map((header) => ({ name: header.name, ...bytesField('value', header.value) })),
  });
}

/** Text as text; what is no UTF-8 as `<name>_base64`, so that nothing is lost. */
export function bytesField(name: string, bytes: Uint8Array | null): { [name: string]: string | null } {
  if (bytes === null) return { [name]: null };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? { [name]: buffer.toString() } : { [`${name}_base64`]: buffer.toString('base64') };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '0': '\0' };

/** The grammar, for the help and the documentation. */
export const formatFields =
  '%t topic, %p partition, %o offset, %k key, %v or %s value, %h headers, %T timestamp in ms, %K and %V or %S bytes of key and value (-1: null), %%';

function parseFormat(format: string, toTerminal: boolean): Piece[] {
  const show = (bytes: Uint8Array | null): Uint8Array | string =>
    bytes === null ? '' : toTerminal ? printable(bytes) : bytes;
  const fields: Readonly<Record<string, Piece>> = {
    t: ({ topic }) => topic,
    p: ({ partition }) => String(partition),
    o: ({ offset }) => String(offset),
    k: ({ key }) => show(key),
    v: ({ value }) => show(value),
    s: ({ value }) => show(value),
    K: ({ key }) => String(key?.length ?? -1),
    V: ({ value }) => String(value?.length ?? -1),
    S: ({ value }) => String(value?.length ?? -1),
    h: ({ headers }) =>
      show(
        Buffer.from(
          headers.map(({ name, value }) => `${name}=${value === null ? '' : Buffer.from(value).toString()}`).join(','),
        ),
      ),
    T: ({ timestampMs }) => String(timestampMs),
    '%': () => '%',
  };
  return [...format.matchAll(/%(.?)|\\(.?)|[^%\\]+/gs)].map(([text, field, escapeName]) => {
    if (field !== undefined) {
      const piece = fields[field];
      if (piece === undefined) throw usage(`no format %${field}: there are ${formatFields}`);
      return piece;
    }
    const plain = escapeName === undefined ? text : (escapes[escapeName] ?? text);
    return () => plain;
  });
}

/** Text as it is, and anything that could upset a terminal as `\\xNN`. Of what is no UTF-8, only ASCII is text. */
function printable(bytes: Uint8Array): string {
  const isText = isUtf8(bytes);
  const characters = Buffer.from(bytes).toString(isText ? 'utf8' : 'latin1');
  const isShown = (character: string): boolean => isHarmless(character) && (isText || character < '\u0080');
  return [...characters].map((character) => (isShown(character) ? character : escaped(character))).join('');
}

/** Tab, newline, and whatever is neither a control character nor half of a broken one. */
function isHarmless(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x09 || code === 0x0a) return true;
  return code >= 0x20 && !(code >= 0x7f && code <= 0x9f);
}

const escaped = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
