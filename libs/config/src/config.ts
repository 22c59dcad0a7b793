import { StartError } from '@moldau/kernel';
import type { Field } from './fields.ts';
import { ValueError } from './values.ts';

/** The settings of one process, by key: `'log.segment.bytes': bytes({ … })`. */
export type Schema = Readonly<Record<string, Field<unknown>>>;

type ValueOf<F> = F extends Field<infer T> ? T : never;
export type Values<S extends Schema> = { readonly [K in keyof S]: ValueOf<S[K]> };

/** Where a value came from. */
export type Source = 'flag' | 'environment' | 'file' | 'default';

/** What is given from outside, as text by key; the environment by its own names. */
export interface Sources {
  readonly flags?: Readonly<Record<string, string>>;
  /** Flags that are no setting's, as they were written. */
  readonly unknownFlags?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly values: Readonly<Record<string, string>> };
}

/** Settings, resolved once. */
export interface Config<S extends Schema> {
  readonly values: Values<S>;
  readonly sources: { readonly [K in keyof S]: Source };
}

const environmentPrefix = 'MOLDAU_';

/** `log.segment.bytes` is `MOLDAU_LOG_SEGMENT_BYTES`. */
export const environmentName = (key: string): string => environmentPrefix + key.replace(/[.-]/g, '_').toUpperCase();

/** Checks a schema and keeps its type. Two keys may not share one environment variable. */
export function defineConfig<const S extends Schema>(schema: S): S {
  const names = Object.keys(schema).map(environmentName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new StartError(`two settings are both ${twice}`);
  return schema;
}

/**
 * Resolves every key: flag before environment before file before default. Throws one StartError that lists every unknown
 * key, impossible value and missing setting. `foreign` names variables of the prefix that belong to someone else.
 */
export function resolve<S extends Schema>(schema: S, given: Sources, foreign: readonly string[] = []): Config<S> {
  const problems = unknownKeys(schema, given, foreign);
  const values: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};
  for (const [key, field] of Object.entries(schema)) {
    const found = lookUp(key, given);
    sources[key] = found?.source ?? 'default';
    if (found === undefined) {
      values[key] = field.default;
      if (field.required) problems.push(`${key} must be set: as --${flagName(key)} or ${environmentName(key)}`);
      continue;
    }
    try {
      values[key] = field.parse(found.text);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.push(`${key} from ${found.place}: ${JSON.stringify(error.value)} is not ${error.expected}`);
    }
  }
  if (problems.length > 0) throw new StartError(`the configuration is not usable:\n  ${problems.join('\n  ')}`);
  // Every key of the schema has its parsed value: the loop above went through all of them.
  return Object.freeze({
    values: Object.freeze(values) as Values<S>,
    sources: Object.freeze(sources) as Config<S>['sources'],
  });
}

/** The command-line name of a key: `log.segment.bytes` is `--log-segment-bytes`. */
export const flagName = (key: string): string => key.replaceAll('.', '-');

interface Found {
  readonly source: Source;
  readonly text: string;
  readonly place: string;
}

function lookUp(key: string, { flags, environment, file }: Sources): Found | undefined {
  const flag = flags?.[key];
  if (flag !== undefined) return { source: 'flag', text: flag, place: `--${flagName(key)}` };
  const name = environmentName(key);
  const variable = environment?.[name];
  if (variable !== undefined) return { source: 'environment', text: variable, place: name };
  const line = file?.values[key];
  if (line !== undefined) return { source: 'file', text: line, place: file?.path ?? 'the file' };
  return undefined;
}

function unknownKeys(
  schema: Schema,
  { unknownFlags = [], environment, file }: Sources,
  foreign: readonly string[],
): string[] {
  const names = Object.keys(schema).map(environmentName);
  const known = (key: string): boolean => Object.hasOwn(schema, key);
  const problem = (what: string, near: string | undefined): string =>
    `${what} is unknown${near === undefined ? '' : `: is it ${near}?`}`;
  const flags = Object.keys(schema).map((key) => `--${flagName(key)}`);
  return [
    ...unknownFlags.map((name) => problem(name, nearest(name, flags))),
    ...unknownVariables(names, environment ?? {}, foreign).map(({ name, near }) => problem(name, near)),
    ...Object.keys(file?.values ?? {})
      .filter((key) => !known(key))
      .map((key) => problem(`${key} in ${file?.path}`, nearest(key, Object.keys(schema)))),
  ];
}

/**
 * The variables of the prefix that are neither among the `names` nor `foreign`, each with the name that it may be meant to
 * be. For a program that shares its environment with others, and can't refuse what it does not know.
 */
export function unknownVariables(
  names: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  foreign: readonly string[] = [],
): { readonly name: string; readonly near: string | undefined }[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith(environmentPrefix) && !names.includes(name) && !foreign.includes(name))
    .map((name) => ({ name, near: nearest(name, names) }));
}

/** The known key that differs least, if it is a likely slip of the pen. */
function nearest(key: string, known: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(key, name);
    if (distance <= 3 && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
