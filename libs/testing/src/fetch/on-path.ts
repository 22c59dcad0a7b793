import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** The program of that name on the PATH. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const program = join(folder, name);
    const found = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && found) return program;
  }
  return undefined;
}
