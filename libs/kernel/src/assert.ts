/** A bug in Moldau itself: an invariant that no input and no fault of the world may break. Never caught, never retried. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

/** Throws {@link AssertionFailed} unless `condition` holds. For what only a bug can break; input gets a {@link MoldauError}. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** Marks a place that the types say can't be reached. */
export function unreachable(value: never, what = 'case'): never {
  throw new AssertionFailed(`unhandled ${what}: ${String(value)}`);
}
