import type { World } from '../world.ts';

/** Something that goes wrong. `run` ends when it is over; a node that it has stopped runs again by then. */
export interface Fault {
  readonly name: string;
  /** How often it is chosen among those of a history. */
  readonly weight: number;
  run(world: World): Promise<void>;
}

/** A whole number of virtual milliseconds. */
export const between = (world: World, min: number, max: number): number => min + world.random.below(max - min);

/** In an order of chance. */
export function shuffled<T>(all: readonly T[], random: World['random']): T[] {
  const left = [...all];
  return all.flatMap(() => left.splice(random.below(left.length), 1));
}

/** Looks every so often whether that holds, for so long at most. */
export async function until(
  world: World,
  predicate: () => boolean,
  { everyMs, maxMs }: { readonly everyMs: number; readonly maxMs: number },
): Promise<void> {
  for (let waitedMs = 0; waitedMs < maxMs && !predicate(); waitedMs += everyMs) await world.sleep(everyMs);
}
