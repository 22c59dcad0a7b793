import { FileError, type FileSystem, type Offset, offset } from '@moldau/kernel';
import { type WalkedBatch, walkBatches } from './batch-walk.ts';
import { decodeEpochs } from './epoch-file.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { offsetName, offsetOfName } from './segment.ts';
import { SegmentIndex } from './segment-index.ts';
import { readFile, readJson } from './small-files.ts';

// Looks at the files of a partition from outside: never writes, takes no lock, and may run beside the node, which then is
// a moment ahead of it. Recovery mends much of what is said here; this only says it.

const windowBytes = 1024 * 1024;

/** Something that is not as it should be. */
export interface SurveyFinding {
  readonly path: string;
  /** Where in the file, in bytes. */
  readonly position: number | undefined;
  readonly problem: string;
}

/** One segment file, walked from its first byte. */
export interface SurveyedSegment {
  readonly path: string;
  readonly baseOffset: Offset;
  /** The offset behind its last good batch. */
  readonly nextOffset: Offset;
  readonly sizeBytes: number;
  readonly batches: number;
  readonly findings: readonly SurveyFinding[];
}

/** Sees the good batches go by. `pause` is awaited between windows of the file: the place to hold the walk up. */
export interface SurveyVisitor {
  readonly batch: (batch: WalkedBatch) => void;
  readonly pause?: () => Promise<void>;
}

/** The base offsets of the segments in a partition's directory, in order. */
export async function segmentsIn(fs: FileSystem, directory: string): Promise<string[]> {
  const names = await fs.list(directory);
  return names.filter((name) => offsetOfName(name, '.log') !== undefined).map((name) => `${directory}/${name}`);
}

/** Walks one segment file: lengths, CRCs, offsets without gaps. `epochs` is held against what the batches say. */
export async function surveySegment(
  fs: FileSystem,
  path: string,
  visitor: SurveyVisitor,
  epochs?: LeaderEpochs,
): Promise<SurveyedSegment> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const baseOffset = offsetOfName(name, '.log') ?? offset(0);
  const findings: SurveyFinding[] = [];
  const rebuilt = new SegmentIndex(baseOffset);
  const saved = await indexBeside(fs, path, baseOffset, findings);
  let batches = 0;
  const file = await fs.openRead(path);
  try {
    const sizeBytes = await file.size();
    const walked = await walkBatches(
      {
        read: (at, target) => file.read(at, target),
        position: 0,
        endPosition: sizeBytes,
        offset: baseOffset,
        checkCrc: true,
        windowBytes,
        ...(visitor.pause !== undefined && { pause: visitor.pause }),
      },
      (batch) => {
        batches += 1;
        const { header } = batch;
        const epoch = epochs?.epochOf(header.baseOffset as Offset);
        if (epochs !== undefined && epoch !== header.leaderEpoch) {
          const problem = `leader epoch ${header.leaderEpoch} of offset ${header.baseOffset} is ${epoch ?? 'none'} in leader-epochs`;
          findings.push({ path, position: batch.position, problem });
        }
        if (saved !== undefined && rebuilt.coveredBytes < saved.coveredBytes) {
          rebuilt.add(header.baseOffset, header.nextOffset, batch.sizeBytes, header.maxTimestamp);
        }
        visitor.batch(batch);
        return true;
      },
    );
    if (walked.kind === 'bad') findings.push({ path, position: walked.position, problem: walked.problem });
    else if (saved !== undefined && !isSame(saved, rebuilt)) {
      findings.push({ path: indexPath(path), position: undefined, problem: 'the index does not fit its segment' });
    }
    return { path, baseOffset, nextOffset: walked.offset, sizeBytes, batches, findings };
  } finally {
    await file.close();
  }
}

/** Walks all segments of a partition's directory, and reads the files beside them. `onSegment` gets each when it is done. */
export async function surveyPartition(
  fs: FileSystem,
  directory: string,
  visitor: SurveyVisitor,
  onSegment: (segment: SurveyedSegment) => Promise<void>,
): Promise<SurveyFinding[]> {
  const findings: SurveyFinding[] = [];
  const identity = await readJson(fs, `${directory}/partition.json`);
  if (identity === undefined || identity === 'bad') {
    const problem = identity === 'bad' ? 'it is no JSON object' : 'it is missing';
    findings.push({ path: `${directory}/partition.json`, position: undefined, problem });
  }
  const epochs = await epochsIn(fs, directory, findings);
  let expected: Offset | undefined;
  for (const path of await segmentsIn(fs, directory)) {
    const segment = await surveySegment(fs, path, visitor, epochs);
    await onSegment(segment);
    findings.push(...segment.findings);
    if (expected !== undefined && segment.baseOffset !== expected) {
      const problem = `the segment before it ends at ${expected}: ${offsetName(expected)}.log is missing, or that one is cut`;
      findings.push({ path, position: undefined, problem });
    }
    expected = segment.nextOffset;
  }
  if (expected === undefined) findings.push({ path: directory, position: undefined, problem: 'there is no segment' });
  return findings;
}

const indexPath = (path: string): string => `${path.slice(0, -'.log'.length)}.index`;

/** An index that is missing is no finding: it is written when a segment is full, and rebuilt on demand. */
async function indexBeside(
  fs: FileSystem,
  path: string,
  baseOffset: Offset,
  findings: SurveyFinding[],
): Promise<SegmentIndex | undefined> {
  const bytes = await readFile(fs, indexPath(path));
  if (bytes === undefined) return undefined;
  const index = SegmentIndex.decode(bytes, baseOffset, Number.MAX_SAFE_INTEGER);
  if (index === undefined) {
    findings.push({ path: indexPath(path), position: undefined, problem: 'the index is damaged' });
  }
  return index;
}

function isSame(saved: SegmentIndex, rebuilt: SegmentIndex): boolean {
  return Buffer.compare(saved.encode(), rebuilt.encode()) === 0;
}

async function epochsIn(
  fs: FileSystem,
  directory: string,
  findings: SurveyFinding[],
): Promise<LeaderEpochs | undefined> {
  const path = `${directory}/leader-epochs`;
  try {
    const bytes = await readFile(fs, path);
    const epochs = bytes && decodeEpochs(bytes)?.epochs;
    if (epochs === undefined && bytes !== undefined) {
      findings.push({ path, position: undefined, problem: 'the epochs are damaged' });
    }
    return epochs;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    findings.push({ path, position: undefined, problem: error.message });
    return undefined;
  }
}
