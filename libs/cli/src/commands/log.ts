import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HostFileSystem } from '@moldau/host';
import { segmentsIn, surveyPartition, surveySegment, type WalkedBatch } from '@moldau/log';
import { compressionOf, readRecords } from '@moldau/records';
import { CommandFailed, ended, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { write } from '../io.ts';
import { printRows, type Row } from '../listing.ts';
import { bytesField } from '../record-format.ts';
import { type GlobalOptions, settingsOf } from '../settings.ts';

const fs = new HostFileSystem();

interface Found {
  readonly segments: readonly string[];
  readonly partitions: readonly string[];
}

/** `moldau log dump`: a line of JSON for each batch, or for each record. */
export async function dump(
  path: string,
  options: GlobalOptions & { readonly records?: boolean },
  io: Io,
): Promise<void> {
  const { segments, partitions } = await findLogs(path);
  const all = [...segments];
  for (const partition of partitions) all.push(...(await segmentsIn(fs, partition)));
  const linesOf = options.records === true ? recordLines : batchLine;
  let isDamaged = false;
  for (const segment of all) {
    let lines: string[] = [];
    const flush = async (): Promise<void> => {
      const text = lines.join('');
      lines = [];
      if (io.interrupted.aborted || io.stdout.destroyed) throw ended(exitCode.ok);
      if (text !== '') await write(io.stdout, text);
    };
    const visitor = { batch: (batch: WalkedBatch) => void lines.push(linesOf(segment, batch)), pause: flush };
    const { findings } = await surveySegment(fs, segment, visitor);
    await flush();
    for (const { path: where, position, problem } of findings) {
      isDamaged = true;
      io.stderr.write(`${where}${position === undefined ? '' : ` at byte ${position}`}: ${problem}\n`);
    }
  }
  if (isDamaged) throw ended(exitCode.failed);
}

function batchLine(path: string, { header, position, sizeBytes }: WalkedBatch): string {
  const line = {
    path,
    position,
    size_bytes: sizeBytes,
    base_offset: String(header.baseOffset),
    last_offset: String(header.lastOffset),
    records: header.recordsCount,
    leader_epoch: header.leaderEpoch,
    compression: compressionOf(header.compressionCode) ?? `unknown ${header.compressionCode}`,
    max_timestamp_ms: header.maxTimestamp,
    timestamp_type: header.isLogAppendTime ? 'log-append' : 'create',
    producer_id: String(header.producerId),
    producer_epoch: header.producerEpoch,
    base_sequence: header.baseSequence,
    ...(header.isTransactional && { transactional: true }),
    ...(header.isControl && { control: true }),
  };
  return `${JSON.stringify(line)}\n`;
}

function recordLines(_: string, { bytes, at, sizeBytes }: WalkedBatch): string {
  const records = readRecords(bytes.subarray(at, at + sizeBytes));
  return records
    .map(({ offset, timestampMs, key, value, headers }) => {
      const named = headers.map((header) => ({ name: header.name, ...bytesField('value', header.value) }));
      const fields = { ...bytesField('key', key), ...bytesField('value', value), headers: named };
      return `${JSON.stringify({ offset: String(offset), timestamp_ms: timestampMs, ...fields })}\n`;
    })
    .join('');
}

/** `moldau log verify`: ends with 1 when anything is damaged. */
export async function verify(path: string, options: GlobalOptions, io: Io): Promise<void> {
  const { output } = settingsOf(options, io).values;
  const { segments, partitions } = await findLogs(path);
  const rows: Row[] = [];
  const total = { segments: 0, batches: 0, bytes: 0 };
  const pause = async (): Promise<void> => {
    if (io.interrupted.aborted) throw new CommandFailed(exitCode.failed, 'interrupted: not everything was verified');
  };
  const visitor = { batch: () => {}, pause };
  const count = ({ batches, sizeBytes }: { readonly batches: number; readonly sizeBytes: number }): void => {
    total.segments += 1;
    total.batches += batches;
    total.bytes += sizeBytes;
  };
  const findings = [];
  for (const segment of segments) {
    const surveyed = await surveySegment(fs, segment, visitor);
    count(surveyed);
    findings.push(...surveyed.findings);
  }
  for (const partition of partitions) {
    findings.push(...(await surveyPartition(fs, partition, visitor, async (segment) => count(segment))));
  }
  for (const { path: where, position, problem } of findings)
    rows.push({ path: where, position: position ?? null, problem });
  await printRows(rows, 'path', output, io);
  if (options.quiet !== true) {
    io.stderr.write(
      `${partitions.length} partitions, ${total.segments} segments, ${total.batches} batches, ${total.bytes} bytes: ` +
        `${findings.length === 0 ? 'no damage' : `${findings.length} findings`}\n`,
    );
  }
  if (findings.length > 0) throw ended(exitCode.failed);
}

/** A segment file, a partition's directory, a node's, or that of `moldau dev`. */
async function findLogs(given: string): Promise<Found> {
  const path = resolve(given);
  if (await isFile(path)) {
    if (path.endsWith('.log')) return { segments: [path], partitions: [] };
    throw new CommandFailed(exitCode.usage, `${given} is no segment file: name a .log file or a data directory`);
  }
  const partitions = await partitionsUnder(path);
  if (partitions.length > 0) return { segments: [], partitions };
  throw new CommandFailed(
    exitCode.notFound,
    `${given} holds no partitions: name the data directory of a node, or one in its partitions/`,
  );
}

async function partitionsUnder(path: string): Promise<string[]> {
  const names = await fs.list(path);
  if (names.some((name) => name.endsWith('.log')) || names.includes('partition.json')) return [path];
  if (names.includes('partitions')) {
    const keys = await fs.list(`${path}/partitions`);
    return keys
      .filter((key) => !key.endsWith('.new') && !key.endsWith('.removed'))
      .map((key) => `${path}/partitions/${key}`);
  }
  const nodes = names.filter((name) => /^node-\d+$/.test(name));
  return (await Promise.all(nodes.map((name) => partitionsUnder(`${path}/${name}`)))).flat();
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    throw new CommandFailed(
      exitCode.notFound,
      `${path} can't be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
