import type { Offset } from '@moldau/kernel';
import { type WalkedBatch, walkBatches } from '../batch-walk.ts';
import type { Segment } from '../segment.ts';
import type { Place } from '../segment-index.ts';
import { CompactionAbandoned, type CompactionRun } from './compaction-run.ts';

const windowBytes = 512 * 1024;

/**
 * Passes the batches of a segment that is not written to any more, from `place` on, to `visit`, one after the other; it may
 * wait, and returns false to end the walk. The file is opened for this alone: whoever wants to remove it does not wait.
 */
export async function walkSealed(
  run: CompactionRun,
  segment: Segment,
  place: Place,
  visit: (batch: WalkedBatch) => Promise<boolean>,
): Promise<void> {
  const { context, state, pace } = run;
  const file = await context.fs.openRead(segment.path);
  try {
    const batches: WalkedBatch[] = [];
    let goesOn = true;
    let wrongEpoch = false;
    const pass = async (): Promise<void> => {
      for (const batch of batches.splice(0)) {
        if (!goesOn) return;
        goesOn = await visit(batch);
        await pace.spend(batch.sizeBytes);
      }
    };
    const walked = await walkBatches(
      {
        read: (position, target) => file.read(position, target),
        position: place.position,
        endPosition: segment.sizeBytes,
        offset: place.offset,
        checkCrc: true,
        windowBytes,
        pause: pass,
      },
      (batch) => {
        // The epoch lies outside the CRC: the epoch file vouches for it.
        const epoch = state.epochs.epochOf(batch.header.baseOffset as Offset);
        wrongEpoch = epoch !== undefined && epoch !== batch.header.leaderEpoch;
        if (wrongEpoch || !goesOn) return false;
        batches.push(batch);
        return true;
      },
    );
    if (walked.kind === 'bad' || wrongEpoch || (goesOn && walked.offset !== segment.nextOffset)) {
      if (segment.removed) throw new CompactionAbandoned('a segment went away');
      throw new CompactionAbandoned('a segment is damaged', { from: walked.offset, to: segment.nextOffset });
    }
  } finally {
    await file.close();
  }
}
