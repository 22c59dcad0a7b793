import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CommandFailed, exitCode, usage } from './exit-code.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings under a name, as text by key. */
export interface Profile {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** What the file of profiles holds. */
export interface Profiles {
  /** The profile that is used when none is named. */
  readonly current: string | undefined;
  readonly byName: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const none: Profiles = { current: undefined, byName: {} };

export function profilesPath(env: Environment): string {
  const config = env.XDG_CONFIG_HOME || join(env.HOME || '.', '.config');
  return join(config, 'moldau', 'profiles.json');
}

/** The profiles of this user; none where there is no file. Throws a usage error when the file is damaged. */
export function readProfiles(env: Environment): Profiles {
  const path = profilesPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return none;
    throw usage(`${path} can't be read (${messageOf(error)}): make it readable, or remove it`);
  }
  const profiles = parse(text);
  if (profiles === undefined) throw usage(`${path} is damaged: repair it, or remove it and create the profiles anew`);
  return profiles;
}

/** Replaces the file as a whole. Only its owner may read it: it can hold tokens. */
export function writeProfiles(env: Environment, { current, byName }: Profiles): void {
  const path = profilesPath(env);
  const aside = `${path}.${process.pid}.tmp`;
  const text = JSON.stringify({ ...(current !== undefined && { current }), profiles: byName }, undefined, 2);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(aside, `${text}\n`, { mode: 0o600 });
    renameSync(aside, path);
  } catch (error) {
    throw new CommandFailed(exitCode.failed, `${path} can't be written: ${messageOf(error)}`);
  }
}

/** The profile of that name, or the one in use. `undefined`: none was named and none is in use. Throws when it is unknown. */
export function profileNamed(name: string | undefined, env: Environment): Profile | undefined {
  const { current, byName } = readProfiles(env);
  const wanted = name ?? current;
  if (wanted === undefined) return undefined;
  const values = Object.hasOwn(byName, wanted) ? byName[wanted] : undefined;
  if (values !== undefined) return { name: wanted, values };
  const names = Object.keys(byName);
  const todo =
    names.length === 0 ? `create it with \`moldau profile create ${wanted}\`` : `there is ${names.join(', ')}`;
  throw new CommandFailed(exitCode.notFound, `no profile ${JSON.stringify(wanted)}: ${todo}`);
}

function parse(text: string): Profiles | undefined {
  try {
    const { current, profiles } = JSON.parse(text) as { current?: unknown; profiles?: unknown };
    if (typeof profiles !== 'object' || profiles === null) return undefined;
    const byName = profiles as Record<string, Record<string, string>>;
    const isPlain = Object.values(byName).every((values) => Object.values(values).every((v) => typeof v === 'string'));
    return isPlain ? { current: typeof current === 'string' ? current : undefined, byName } : undefined;
  } catch {
    return undefined;
  }
}

const isAbsent = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
