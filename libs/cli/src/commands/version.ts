import { MoldauError } from '@moldau/kernel';
import type { Io } from '../io.ts';
import { factsOf, printThing } from '../listing.ts';
import { clientOf } from '../session.ts';
import { type GlobalOptions, settingsOf } from '../settings.ts';
import { version as clientVersion } from '../version.ts';

/** Nobody waits longer to learn a version. */
const patienceMs = 2_000;

/** `moldau version`: that of this program, and that of the server if it answers. */
export async function version(options: GlobalOptions, io: Io): Promise<void> {
  const settings = settingsOf(options, io).values;
  const client = clientOf({ ...settings, timeout: Math.min(settings.timeout, patienceMs) });
  try {
    const server = await client.admin.serverInfo().catch((error: unknown) => {
      if (error instanceof MoldauError) return undefined;
      throw error;
    });
    const thing = { client: clientVersion, node: process.versions.node, server: server?.version ?? null };
    const table = (): string => factsOf({ ...thing, server: thing.server ?? `none answers at ${settings.endpoints}` });
    await printThing(thing, { name: clientVersion, table }, settings.output, io);
  } finally {
    await client.close();
  }
}
