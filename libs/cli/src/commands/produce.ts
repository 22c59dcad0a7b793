import { createReadStream, createWriteStream } from 'node:fs';
import { codec, type OutgoingRecord, type Producer, SendFailed, type Ticket } from '@moldau/client';
import { type Compression, compressions } from '@moldau/records';
import { CommandFailed, exitCode, usage } from '../exit-code.ts';
import { clientOf, type GlobalOptions } from '../global-options.ts';
import type { Io } from '../io.ts';
import { linesOf } from '../lines.ts';

/** Flags of `moldau produce`. */
export interface ProduceOptions extends GlobalOptions {
  readonly key?: string;
  readonly keyDelimiter?: string;
  readonly header?: readonly string[];
  readonly compression?: string;
  readonly partition?: string;
  readonly json?: boolean;
  readonly report?: string;
}

type Bytes = Uint8Array<ArrayBufferLike>;
type Record = OutgoingRecord<Bytes, Bytes>;

const maxLineBytes = 8 * 1024 * 1024;
/** Records whose outcome is awaited at one time, for the report. */
const maxAwaited = 50_000;

/** Writes each line of a file, or of stdin, as a record. */
export async function produce(topic: string, file: string | undefined, options: ProduceOptions, io: Io): Promise<void> {
  const client = clientOf(options);
  const producer = client.producer({
    topic,
    key: codec.bytes,
    value: codec.bytes,
    compression: compressionOf(options.compression),
  });
  const report = options.report === undefined ? undefined : createWriteStream(options.report);
  const run = new ProduceRun(producer, report);
  const source = file === undefined || file === '-' ? io.stdin : createReadStream(file);
  const parse = parserOf(options);
  try {
    for await (const lines of linesOf(source, maxLineBytes)) {
      for (const line of lines) await run.take(parse(line));
      if (io.interrupted.aborted) break;
    }
    await run.finish();
  } finally {
    await producer.close().catch(() => {});
    await client.close();
    if (report !== undefined) await new Promise<void>((resolve) => report.end(resolve));
  }
  if (options.quiet !== true) io.stderr.write(`${run.summary(topic)}\n`);
  if (run.lost > 0) throw new CommandFailed(run.written > 0 ? exitCode.partly : exitCode.failed, run.complaint());
}

/** Sends records and awaits what becomes of them, in order. */
class ProduceRun {
  readonly #producer: Producer<Bytes, Bytes>;
  readonly #report: NodeJS.WritableStream | undefined;
  #awaited: Promise<void>[] = [];
  #line = 0;
  written = 0;
  lost = 0;
  #firstLoss: unknown;

  constructor(producer: Producer<Bytes, Bytes>, report: NodeJS.WritableStream | undefined) {
    this.#producer = producer;
    this.#report = report;
  }

  async take(record: Record): Promise<void> {
    this.#line += 1;
    const line = this.#line;
    const ticket = await this.#producer.push(record).catch((error: unknown) => this.#lose(line, error));
    if (ticket === undefined) return;
    this.#awaited.push(this.#outcome(line, ticket));
    if (this.#awaited.length >= maxAwaited) await this.#settle();
  }

  async finish(): Promise<void> {
    await this.#producer.flush().catch(() => {});
    await this.#settle();
  }

  summary(topic: string): string {
    return `${this.written} record${this.written === 1 ? '' : 's'} written to ${topic}`;
  }

  complaint(): string {
    const first = this.#firstLoss instanceof Error ? this.#firstLoss.message : String(this.#firstLoss);
    return `${this.lost} of ${this.#line} records were not acknowledged; the first: ${first}`;
  }

  async #settle(): Promise<void> {
    const awaited = this.#awaited;
    this.#awaited = [];
    await Promise.all(awaited);
  }

  async #outcome(line: number, ticket: Ticket): Promise<void> {
    try {
      const { partition, offset } = await ticket.ack;
      this.written += 1;
      await this.#say({ line, partition, offset: offset === undefined ? null : String(offset) });
    } catch (error) {
      await this.#lose(line, error);
    }
  }

  async #lose(line: number, error: unknown): Promise<undefined> {
    this.lost += 1;
    this.#firstLoss ??= error;
    if (!(error instanceof SendFailed)) {
      await this.#say({ line, outcome: 'NOT_WRITTEN', error: error instanceof Error ? error.message : String(error) });
      return;
    }
    await this.#say({ line, outcome: error.outcome, reason: error.reason, error: error.message });
  }

  async #say(entry: object): Promise<void> {
    this.#report?.write(`${JSON.stringify(entry)}\n`);
  }
}

function compressionOf(name: string | undefined): Compression {
  const found = compressions.find((compression) => compression === (name ?? 'none'));
  if (found === undefined) throw usage(`no compression ${JSON.stringify(name)}: use one of ${compressions.join(', ')}`);
  return found;
}

/** How a line becomes a record. */
function parserOf(options: ProduceOptions): (line: Uint8Array) => Record {
  const { key, keyDelimiter, json } = options;
  const fixed = {
    ...(options.partition !== undefined && { partition: partitionOf(options.partition) }),
    ...(options.header !== undefined && { headers: options.header.map(headerOf) }),
  };
  if (json === true) return (line) => ({ ...fixed, ...jsonRecord(line) });
  if (keyDelimiter !== undefined) return (line) => ({ ...fixed, ...split(line, Buffer.from(keyDelimiter)) });
  const fixedKey = key === undefined ? null : Buffer.from(key);
  return (value) => ({ ...fixed, key: fixedKey, value });
}

function partitionOf(text: string): number {
  if (!/^\d+$/.test(text)) throw usage(`${JSON.stringify(text)} is no partition: use a number from 0`);
  return Number(text);
}

function headerOf(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  if (at <= 0) throw usage(`${JSON.stringify(text)} is no header: use NAME=VALUE`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

function split(line: Uint8Array, delimiter: Buffer): Pick<Record, 'key' | 'value'> {
  const at = Buffer.from(line.buffer, line.byteOffset, line.byteLength).indexOf(delimiter);
  if (at === -1) return { key: null, value: line };
  return { key: line.subarray(0, at), value: line.subarray(at + delimiter.length) };
}

function jsonRecord(line: Uint8Array): Pick<Record, 'key' | 'value' | 'headers'> {
  const text = new TextDecoder().decode(line);
  try {
    const { key, value, headers } = JSON.parse(text) as {
      key?: unknown;
      value?: unknown;
      headers?: { [name: string]: string };
    };
    return {
      key: key === undefined || key === null ? null : Buffer.from(typeof key === 'string' ? key : JSON.stringify(key)),
      value:
        value === undefined || value === null
          ? null
          : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
      ...(headers !== undefined && {
        headers: Object.entries(headers).map(([name, content]) => ({ name, value: content })),
      }),
    };
  } catch {
    throw usage(`a line is no JSON object with key, value and headers: ${text.slice(0, 80)}`);
  }
}
