import { fileURLToPath } from 'node:url';
import { TiedProcess } from './tied-process.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Starts one of `apps`, as somebody does by hand. It dies with the thread that started it. */
export const startApp = (app: string, flags: readonly string[]): TiedProcess =>
  new TiedProcess(process.execPath, [`${root}apps/${app}/src/main.ts`, ...flags]);

/** The same of what `npm run build` has made, as it runs in the image. */
export const startBuilt = (app: string, flags: readonly string[]): TiedProcess =>
  new TiedProcess(process.execPath, [`${root}dist/${app}.mjs`, ...flags]);
