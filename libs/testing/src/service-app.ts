import { fileURLToPath } from 'node:url';
import { TiedProcess } from './tied-process.ts';

const apps = fileURLToPath(new URL('../../../apps', import.meta.url));

/** Starts one of `apps`, as somebody does by hand. It dies with the thread that started it. */
export const startApp = (app: string, flags: readonly string[]): TiedProcess =>
  new TiedProcess(process.execPath, [`${apps}/${app}/src/main.ts`, ...flags]);
