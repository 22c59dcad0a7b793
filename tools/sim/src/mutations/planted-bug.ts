import type { Kind } from '../kinds.ts';

/** One change of the source text of one file. `from` must stand in it exactly once. */
export interface Patch {
  /** The end of the file's path. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A bug that somebody might have written, and that the simulator must find. Plain data: it travels between threads. */
export interface PlantedBug {
  readonly name: string;
  /** The histories that may meet it. Default: those of logs. */
  readonly kind?: Kind;
  readonly patches: readonly Patch[];
}
