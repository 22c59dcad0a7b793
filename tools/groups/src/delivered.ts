import type { History } from './history.ts';
import type { Scene } from './scene.ts';

const withinMs = 60_000;

/** Resolves when everything that the topic holds was given to some member, and nobody was given what may not be. */
export async function delivered(scene: Scene, topic: string, history: History): Promise<void> {
  const found = await scene.client.admin.listOffsets(topic, 'end');
  const ends = found.map(({ offset }) => Number(offset ?? 0n));
  const all = ends.reduce((sum, end) => sum + end, 0);
  await scene.until(`all ${all} records are delivered`, () => history.deliveredCount >= all, withinMs);
  if (!history.hasAll(ends))
    throw new Error(`records that nobody was given: ${history.deliveredCount} were, of ${all}`);
  history.check();
}
