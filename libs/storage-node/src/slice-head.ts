import { type Offset, offset } from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import { BatchHeader } from '@moldau/records';

/** Cuts what fits `maxBytes`, but at least one whole batch, from the front of a slice. `rest`: what is left, if anything. */
export function cutHead(slice: LogSlice, maxBytes: number): { head: LogSlice; rest: LogSlice | undefined } {
  if (slice.sizeBytes <= maxBytes) return { head: slice, rest: undefined };
  const taken: Uint8Array[] = [];
  let sizeBytes = 0;
  let next: Offset | undefined;
  for (const [index, chunk] of slice.chunks.entries()) {
    for (let at = 0; at < chunk.length; ) {
      const header = new BatchHeader(chunk, at);
      if (next !== undefined && sizeBytes + header.sizeBytes > maxBytes) {
        if (at > 0) taken.push(chunk.subarray(0, at));
        const chunks = [chunk.subarray(at), ...slice.chunks.slice(index + 1)];
        const rest = { chunks, nextOffset: slice.nextOffset, sizeBytes: slice.sizeBytes - sizeBytes };
        return { head: { chunks: taken, nextOffset: next, sizeBytes }, rest };
      }
      sizeBytes += header.sizeBytes;
      at += header.sizeBytes;
      next = offset(header.nextOffset);
    }
    taken.push(chunk);
  }
  return { head: slice, rest: undefined };
}

/** The bytes in one piece: copied only where they are not. */
export const joined = (chunks: readonly Uint8Array[]): Uint8Array =>
  chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
