import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { peers } from '../src/systems/peers.ts';
import { NotHere } from '../src/systems/system.ts';

test.serial('a machine that can fetch nothing says of each what it lacks', async (t) => {
  const empty = await mkdtemp(join(tmpdir(), 'moldau-nothing-'));
  const { PATH } = process.env;
  t.teardown(async () => {
    process.env.PATH = PATH;
    await rm(empty, { recursive: true });
  });
  process.env.PATH = empty;
  process.env.XDG_CACHE_HOME = empty;
  for (const peer of peers) {
    const error = await t.throwsAsync(peer.install(), { instanceOf: NotHere });
    t.regex(error?.message ?? '', /java|mvn|apt-get/);
  }
});
