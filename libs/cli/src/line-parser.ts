import type { OutgoingRecord } from '@moldau/client';
import { CommandFailed, exitCode, usage } from './exit-code.ts';
import { pairOf, partitionOf } from './numbers.ts';

type Bytes = Uint8Array<ArrayBufferLike>;
type Record = OutgoingRecord<Bytes, Bytes>;
type Fields = Pick<Record, 'key' | 'value' | 'headers'>;

/** Flags that say how a line becomes a record. */
export interface ParserOptions {
  readonly key?: string;
  readonly keyDelimiter?: string;
  readonly header?: readonly string[];
  readonly partition?: string;
  readonly json?: boolean;
}

/** A line that is no record. */
export class InputError extends CommandFailed {
  constructor(line: number, problem: string) {
    super(exitCode.usage, `line ${line}: ${problem}`);
  }
}

/** Turns lines into records. Throws a usage error for flags that make no sense; the parser throws {@link InputError}. */
export function lineParser(options: ParserOptions): (line: Bytes, number: number) => Record {
  const { key, keyDelimiter, json, header, partition } = options;
  if (keyDelimiter === '') throw usage('--key-delimiter is empty: give the text between key and value');
  const ways = [
    ['--key', key],
    ['--key-delimiter', keyDelimiter],
    ['--json', json],
  ].filter(([, given]) => given);
  if (ways.length > 1) throw usage(`${ways.map(([flag]) => flag).join(' and ')} exclude each other: choose one`);
  const fixed = {
    ...(partition !== undefined && { partition: partitionOf(partition) }),
    ...(header !== undefined && { headers: header.map(headerOf) }),
  };
  if (json === true) return (line, number) => ({ ...fixed, ...jsonRecord(line, number) });
  if (keyDelimiter !== undefined) {
    const delimiter = Buffer.from(keyDelimiter);
    return (line) => ({ ...fixed, ...split(line, delimiter) });
  }
  const fixedKey = key === undefined ? null : Buffer.from(key);
  return (value) => ({ ...fixed, key: fixedKey, value });
}

function headerOf(text: string): { name: string; value: string } {
  const [name, value] = pairOf('header', text);
  return { name, value };
}

/** A line without the delimiter has no key. */
function split(line: Bytes, delimiter: Buffer): Fields {
  const at = Buffer.from(line.buffer, line.byteOffset, line.byteLength).indexOf(delimiter);
  if (at === -1) return { key: null, value: line };
  return { key: line.subarray(0, at), value: line.subarray(at + delimiter.length) };
}

const form = 'no JSON object such as {"key": "k", "value": "v", "headers": {"h": "x"}}';

/** `value` or `value_base64`; text as it is, other JSON as JSON. What `consume --json` prints is read back the same. */
function jsonRecord(line: Bytes, number: number): Fields {
  const object = parseObject(new TextDecoder().decode(line));
  if (object === undefined) throw new InputError(number, form);
  const headers = headersOf(object.headers);
  if (headers === 'bad') throw new InputError(number, 'headers are neither an object nor a list of {name, value}');
  return { key: bytesOf(object, 'key'), value: bytesOf(object, 'value'), ...(headers !== undefined && { headers }) };
}

type JsonObject = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function bytesOf(object: JsonObject, name: string): Buffer | null {
  const encoded = object[`${name}_base64`];
  if (typeof encoded === 'string') return Buffer.from(encoded, 'base64');
  const value = object[name];
  if (value === undefined || value === null) return null;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

function headersOf(headers: unknown): { name: string; value: Buffer | null }[] | undefined | 'bad' {
  if (headers === undefined || headers === null) return undefined;
  if (isObject(headers)) return Object.keys(headers).map((name) => ({ name, value: bytesOf(headers, name) }));
  if (!Array.isArray(headers)) return 'bad';
  const read = headers.map((header: unknown) =>
    isObject(header) && typeof header.name === 'string'
      ? { name: header.name, value: bytesOf(header, 'value') }
      : undefined,
  );
  return read.every((header) => header !== undefined) ? read : 'bad';
}
