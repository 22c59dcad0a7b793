/** What came of one history. Plain data: it travels between threads. */
export interface Outcome {
  readonly seed: number;
  /** The same for every run of the same seed. */
  readonly digest: string;
  readonly virtualMs: number;
  readonly writes: { readonly ok: number; readonly refused: number; readonly unknown: number };
  /** The promise that was broken, and what happened before. */
  readonly broken: { readonly what: string; readonly tail: readonly string[] } | undefined;
}
