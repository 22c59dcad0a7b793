import { registerHooks } from 'node:module';
import type { Patch, PlantedBug } from './planted-bug.ts';

/** Changes the source of every module that is loaded from now on. Ends the thread when a patch fits nowhere, or twice. */
export function plant(bug: PlantedBug): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const patches = bug.patches.filter(({ file }) => url.endsWith(`/${file}`));
      if (patches.length === 0 || loaded.source === undefined || loaded.source === null) return loaded;
      return {
        ...loaded,
        source: patches.reduce((text, patch) => apply(bug.name, text, patch), textOf(loaded.source)),
      };
    },
  });
}

/** The text with the bug in it. Throws unless the patch fits exactly once. */
export function apply(name: string, text: string, { file, from, to }: Patch): string {
  const parts = text.split(from);
  if (parts.length === 2) return parts.join(to);
  throw new Error(
    `planted bug "${name}": its patch fits ${parts.length - 1} times in ${file}: it must follow the source`,
  );
}

const textOf = (source: string | ArrayBuffer | NodeJS.TypedArray): string =>
  typeof source === 'string' ? source : new TextDecoder().decode(source);
