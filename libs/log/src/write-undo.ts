import { FileError, type Offset } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import type { LogState } from './log-state.ts';
import { cutFiles } from './segment-files.ts';
import type { SerialLane } from './serial-lane.ts';
import { settleEnd } from './truncation.ts';
import { untilSpace } from './until-space.ts';

/** Takes back what a failed write has left: it is cut off, durably, before anyone is told that it is not there. */
export class WriteUndo {
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #syncing: SerialLane;
  readonly #onUndone: () => void;
  #lastError: FileError | undefined;

  constructor(context: DirectoryContext, state: LogState, syncing: SerialLane, onUndone: () => void) {
    this.#context = context;
    this.#state = state;
    this.#syncing = syncing;
    this.#onUndone = onUndone;
  }

  /** The error of the last write that failed. A new one for each. */
  get lastError(): FileError | undefined {
    return this.#lastError;
  }

  /** Returns the end of what is left. The log takes no appends meanwhile, and this leader none in its epoch any more. */
  async undo(error: FileError): Promise<Offset> {
    const state = this.#state;
    this.#lastError = error;
    state.leading = undefined;
    state.resigned = true;
    // At once: an epoch that begins while the files are still being cut begins behind what is left.
    const from = state.writtenEnd;
    state.logEnd = from;
    state.cutEpochs(from);
    state.cuts += 1;
    try {
      await this.#syncing.run(() => untilSpace(this.#context, state, () => this.#cutFiles(from)));
    } catch (undoing) {
      if (!(undoing instanceof FileError)) throw undoing;
      // Then the directory has failed, or the log is being closed: the outcome stays unknown.
      this.#context.logger.error('could not undo a failed write', { partition: state.name, error: undoing.message });
    } finally {
      state.cuts -= 1;
    }
    return from;
  }

  async #cutFiles(from: Offset): Promise<void> {
    const state = this.#state;
    const { active } = state;
    state.truncations += 1;
    if (active !== undefined) {
      await cutFiles(this.#context, state, { segment: active.baseOffset, position: active.sizeBytes });
    }
    await settleEnd(this.#context, state, from);
    state.truncations += 1;
    this.#onUndone();
  }
}
