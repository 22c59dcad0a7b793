import type { Offset } from '@moldau/kernel';
import { fencingTokenOf } from '@moldau/records';
import type { CheckedBatch } from './batch-checks.ts';
import type { LogState } from './log-state.ts';

/** Notes the fencing token that a batch raises which is read back from the log, or comes from the leader; most raise none. */
export function noteToken(state: LogState, bytes: Uint8Array, { header, at }: CheckedBatch): void {
  if (!header.isControl) return;
  const token = fencingTokenOf(bytes, at);
  if (token === undefined || token <= (state.tokens.last?.token ?? -1n)) return;
  state.raiseToken(token, header.baseOffset as Offset);
}
