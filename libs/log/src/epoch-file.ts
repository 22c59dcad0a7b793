import { ByteWriter, seal, unseal } from './binary.ts';
import { FencingTokens } from './fencing-tokens.ts';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { LogState } from './log-state.ts';
import { readFile, replaceFile } from './small-files.ts';

// leader-epochs, version 2, kind MLEP, sealed: entries u32 · entries × { epoch u32 · start offset i64 } ·
//   tokens u32 × { fencing token i64 · offset of its control record i64 }
//
// Version 1 ends before the tokens: there are none. What stands here outlives the records that it came from: it is the one
// place that knows a token whose record has gone by retention.

const kind = 'MLEP';
const version = 2;

/** What the file holds. */
export interface StoredEpochs {
  readonly epochs: LeaderEpochs;
  readonly tokens: FencingTokens;
}

const pathOf = (directory: string): string => `${directory}/leader-epochs`;

/** Writes epochs and tokens if they have changed. They are durable before the checkpoint speaks of any record of them. */
export function saveEpochs(fs: GuardedFileSystem, state: LogState): Promise<void> {
  // The writer and the syncer may both want it: who comes second waits until the first is done.
  return state.savingEpochs.run(async () => {
    if (state.epochsSaved) return;
    state.epochsSaved = true;
    try {
      await replaceFile(fs, pathOf(state.directory), encodeEpochs(state));
    } catch (error) {
      state.epochsSaved = false;
      throw error;
    }
  });
}

/** Undefined: there is none, or it is damaged. */
export async function readEpochs(fs: GuardedFileSystem, directory: string): Promise<StoredEpochs | undefined> {
  const bytes = await readFile(fs, pathOf(directory));
  return bytes && decodeEpochs(bytes);
}

function encodeEpochs({ epochs, tokens }: StoredEpochs): Uint8Array {
  const writer = new ByteWriter();
  epochs.write(writer);
  tokens.write(writer);
  return seal(kind, version, writer.finish());
}

/** What the file's bytes hold, or undefined when they are damaged. */
export function decodeEpochs(bytes: Uint8Array): StoredEpochs | undefined {
  const unsealed = unseal(kind, version, bytes);
  if (unsealed.kind !== 'ok') return undefined;
  const { payload } = unsealed;
  const epochs = LeaderEpochs.read(payload);
  return { epochs, tokens: unsealed.version === 1 ? new FencingTokens() : FencingTokens.read(payload) };
}
