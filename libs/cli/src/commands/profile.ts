import { resolve } from 'node:path';
import { CommandFailed, exitCode, usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { factsOf, printRows, printThing, sayNone } from '../listing.ts';
import { profileNamed, profilesPath, readProfiles, writeProfiles } from '../profiles.ts';
import { checkSettings, type GlobalOptions, givenSettings, settingsOf } from '../settings.ts';

type Values = Readonly<Record<string, string>>;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** `moldau profile create`: keeps the global flags that were given, and uses them from now on. */
export async function create(
  name: string,
  options: GlobalOptions & { readonly force?: boolean },
  io: Io,
): Promise<void> {
  if (!namePattern.test(name)) throw usage(`${JSON.stringify(name)} is no name: use letters, digits, '.', '_' and '-'`);
  checkSettings(options);
  const given = Object.entries(givenSettings(options)) as [string, string][];
  if (given.length === 0) throw usage('a profile keeps global flags: give some, for example -s host:7070');
  const isFile = (key: string): boolean => key === 'tls.ca' || key === 'tls.cert' || key === 'tls.key';
  const values = Object.fromEntries(given.map(([key, value]) => [key, isFile(key) ? resolve(value) : value]));
  const { byName } = readProfiles(io.env);
  if (Object.hasOwn(byName, name) && options.force !== true) {
    throw new CommandFailed(exitCode.failed, `profile ${name} exists: --force replaces it`);
  }
  writeProfiles(io.env, { current: name, byName: { ...byName, [name]: values } });
  if (options.quiet !== true) io.stderr.write(`profile ${name} is kept in ${profilesPath(io.env)}, and in use\n`);
}

/** `moldau profile use` */
export async function use(name: string, options: GlobalOptions, io: Io): Promise<void> {
  const profile = profileNamed(name, io.env);
  writeProfiles(io.env, { ...readProfiles(io.env), current: profile?.name });
  if (options.quiet !== true) io.stderr.write(`using profile ${name}\n`);
}

/** `moldau profile list` */
export async function list(options: GlobalOptions, io: Io): Promise<void> {
  const { current, byName } = readProfiles(io.env);
  const rows = Object.entries(byName).map(([name, values]) => ({
    name,
    current: name === current,
    endpoints: values.endpoints ?? null,
  }));
  const { output } = settingsOf(options, io).values;
  await printRows(rows, 'name', output, io);
  sayNone(rows, output, options, io);
}

/** `moldau profile print`: without a name, the one in use. Tokens are not shown. */
export async function print(name: string | undefined, options: GlobalOptions, io: Io): Promise<void> {
  const profile = profileNamed(name ?? options.profile, io.env);
  if (profile === undefined)
    throw new CommandFailed(exitCode.notFound, 'no profile is in use: name one, or create one');
  const shown: Values = { ...profile.values, ...(profile.values.token !== undefined && { token: '***' }) };
  const thing = { name: profile.name, ...shown };
  const { output } = settingsOf(options, io).values;
  await printThing(thing, { name: profile.name, table: () => factsOf(thing) }, output, io);
}
