import { open } from 'node:fs/promises';
import { addAbortSignal, type Readable, type Writable } from 'node:stream';
import { codec, type Moldau, type Producer } from '@moldau/client';
import { MoldauError } from '@moldau/kernel';
import type { Compression } from '@moldau/records';
import { compressionOf } from '../compression-flag.ts';
import { deliveryOf } from '../delay-notice.ts';
import { CommandFailed, exitCode, exitCodeOf, usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { InputError, lineParser, type ParserOptions } from '../line-parser.ts';
import { linesOf } from '../lines.ts';
import { Outcomes } from '../outcomes.ts';
import { startProgress } from '../progress.ts';
import { explained, withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';

/** Flags of `moldau produce`. */
export interface ProduceOptions extends GlobalOptions, ParserOptions {
  readonly compression?: string;
  readonly report?: string;
}

type Bytes = Uint8Array<ArrayBufferLike>;

const maxLineBytes = 8 * 1024 * 1024;

/** Writes each line of a file, or of stdin, as a record. */
export async function produce(topic: string, file: string | undefined, options: ProduceOptions, io: Io): Promise<void> {
  const parse = lineParser(options);
  const compression = compressionOf(options.compression);
  const source = await sourceOf(file, io);
  const report = options.report === undefined ? undefined : await reportTo(options.report);
  const outcomes = new Outcomes(report);
  let stopped: unknown;
  try {
    await withClient(options, io, async (client) => {
      const producer = producerOf(client, topic, compression, options, io);
      const stopProgress = startProgress(() => outcomes.progress(), options, io);
      try {
        stopped = explained(await pushLines(source, parse, producer, outcomes, io), options, io);
        await outcomes.settled(producer);
      } finally {
        stopProgress();
        producer.abort();
      }
    });
  } finally {
    source.destroy();
    await closed(report);
  }
  if (options.quiet !== true) io.stderr.write(`${outcomes.summary(topic)}\n`);
  conclude(outcomes, stopped);
}

function producerOf(
  client: Moldau,
  topic: string,
  compression: Compression,
  options: ProduceOptions,
  io: Io,
): Producer<Bytes, Bytes> {
  return client.producer({ topic, key: codec.bytes, value: codec.bytes, compression, ...deliveryOf(options, io) });
}

/** Reads until the end, a Ctrl-C, or an error that no further line would escape, which is returned. */
async function pushLines(
  source: Readable,
  parse: ReturnType<typeof lineParser>,
  producer: Producer<Bytes, Bytes>,
  outcomes: Outcomes,
  io: Io,
): Promise<unknown> {
  let line = 0;
  try {
    for await (const lines of linesOf(addAbortSignal(io.interrupted, source), maxLineBytes)) {
      for (const bytes of lines) {
        if (io.interrupted.aborted) return undefined;
        line += 1;
        await push(line, parse(bytes, line), producer, outcomes);
      }
    }
    return undefined;
  } catch (error) {
    return io.interrupted.aborted ? undefined : error;
  }
}

async function push(
  line: number,
  record: ReturnType<ReturnType<typeof lineParser>>,
  producer: Producer<Bytes, Bytes>,
  outcomes: Outcomes,
): Promise<void> {
  try {
    const ticket = await producer.push(record);
    await outcomes.follow(line, ticket);
  } catch (error) {
    await outcomes.lose(line, error);
    const concernsOneRecord = error instanceof MoldauError && error.reason === 'RECORD_TOO_LARGE';
    if (!concernsOneRecord) throw error;
  }
}

function conclude(outcomes: Outcomes, stopped: unknown): void {
  const problem = stopped ?? outcomes.firstLoss;
  if (problem === undefined) return;
  const code = outcomes.written > 0 ? exitCode.partly : exitCodeOf(problem);
  const message = problem instanceof Error ? problem.message : String(problem);
  if (stopped instanceof InputError) throw new CommandFailed(code, `${message}; nothing behind it was read`);
  if (outcomes.written === 0 && outcomes.lost <= 1) throw new CommandFailed(code, message);
  throw new CommandFailed(
    code,
    `${outcomes.lost} of ${outcomes.taken} records were not acknowledged; the first: ${message}`,
  );
}

async function sourceOf(file: string | undefined, io: Io): Promise<Readable> {
  if (file === undefined || file === '-') return io.stdin;
  try {
    const handle = await open(file, 'r');
    if (!(await handle.stat()).isDirectory()) return handle.createReadStream();
    await handle.close();
  } catch (error) {
    throw usage(`${file} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw usage(`${file} is a directory: name a file with one record a line`);
}

async function reportTo(file: string): Promise<Writable> {
  try {
    return (await open(file, 'w')).createWriteStream();
  } catch (error) {
    throw usage(`--report ${file} can't be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const closed = async (report: Writable | undefined): Promise<void> => {
  if (report !== undefined) await new Promise<void>((resolve) => report.end(resolve));
};
