import { type Offset, offset } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import { saveEpochs } from './epoch-file.ts';
import { FencingTokens } from './fencing-tokens.ts';
import { type EpochEntry, LeaderEpochs } from './leader-epochs.ts';
import type { LogState } from './log-state.ts';
import { beginSegment } from './log-writer.ts';
import { ProducerTable } from './producers/producer-table.ts';
import { identityBytes, identityName, identityPath } from './recovery/partition-files.ts';
import { removeSegment } from './segment-files.ts';
import { replaceFile } from './small-files.ts';
import { untilSpace } from './until-space.ts';

/** What a copy that begins anew takes over from its leader: it can't be read from the records that it will get. */
export interface Inherited {
  /** The leader's epoch that the place falls into. */
  readonly covering?: EpochEntry | undefined;
  /** The fencing token that a record below the place has raised. */
  readonly token?: bigint | undefined;
  /** Up to where the leader's log lacks tombstones, and so the copy that begins. */
  readonly tombstoneEnd?: Offset | undefined;
}

/**
 * Throws a copy away and begins anew, empty, at `to`. The checkpoint calls it corrupt, and says that it is thrown away, before
 * the first file goes: after a crash in between recovery throws away what is left, and the copy stays corrupt until its
 * leader lets it begin once more. No record of the old copy is ever seen beside one of the new.
 */
export async function resetLog(
  context: DirectoryContext,
  state: LogState,
  to: Offset,
  inherited: Inherited,
): Promise<void> {
  state.corrupt = true;
  state.resetTo = to;
  await untilSpace(context, state, () => context.checkpoint.writeNow());
  await untilSpace(context, state, () => beginAnew(context, state, to, inherited));
  state.tombstoneEnd = inherited.tombstoneEnd ?? offset(0);
  state.corrupt = false;
  state.resetTo = undefined;
  await untilSpace(context, state, () => context.checkpoint.writeNow());
}

/** Removes every file of a copy but the one that says whose it is, which is written anew, and makes the first of a new one. */
export async function beginAnew(
  context: DirectoryContext,
  state: LogState,
  to: Offset,
  { covering, token }: Inherited,
): Promise<void> {
  const { fs } = context;
  const { directory } = state;
  state.truncations += 1;
  state.tail.clear();
  for (let last = state.active; last !== undefined; last = state.active) {
    await removeSegment(context, last);
    state.segments.pop();
  }
  for (const name of await fs.list(directory)) {
    if (name !== identityName) await fs.removeFile(`${directory}/${name}`);
  }
  await fs.syncDirectory(directory);
  state.startAnew(to);
  state.producers = new ProducerTable();
  state.replaceEpochs(covering === undefined ? new LeaderEpochs() : LeaderEpochs.of(covering));
  // Its record lies below all that this copy will ever hold.
  state.tokens = FencingTokens.of(token === undefined ? undefined : { token, at: (to - 1n) as Offset });
  await replaceFile(fs, identityPath(directory), identityBytes(state.identity));
  await saveEpochs(fs, state);
  const segment = await beginSegment(context, state, to);
  await context.appenders.use(segment.path, (file) => file.sync());
  await fs.syncDirectory(directory);
  segment.nameSynced = true;
  state.truncations += 1;
}
