import { parseArgs } from 'node:util';
import { type Kind, kinds } from './kinds.ts';

/** What a run was asked for. */
export interface SimOptions {
  readonly first: number;
  readonly count: number;
  /** Only histories of this kind. */
  readonly kind: Kind | undefined;
  readonly mutations: boolean;
  /** One planted bug by name. */
  readonly mutation: string | undefined;
  readonly trace: boolean;
}

const usage = `npm run sim -- [--seeds N] [--start S] [--seed S] [--kind K] [--trace] [--mutations] [--mutation NAME]

  --seeds N        so many histories (default 100), or so many for each planted bug (default 200)
  --start S        the first seed (default 1)
  --seed S         exactly this one, twice: both runs must be the same
  --kind K         only histories of this kind, or bugs that those may meet: ${kinds.join(', ')}
  --trace          print what happens, line by line (with --seed)
  --mutations      plant each known bug in turn: every one must be caught
  --mutation NAME  plant this one`;

/** Throws an Error with the usage for what makes no sense. */
export function readOptions(args: readonly string[]): SimOptions {
  try {
    return read(args);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

function read(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      start: { type: 'string' },
      seed: { type: 'string' },
      kind: { type: 'string' },
      trace: { type: 'boolean', default: false },
      mutations: { type: 'boolean', default: false },
      mutation: { type: 'string' },
    },
  });
  const { mutation, trace } = values;
  const mutations = values.mutations || mutation !== undefined;
  const one = values.seed === undefined ? undefined : whole('--seed', values.seed);
  return {
    first: one ?? whole('--start', values.start ?? '1'),
    count: one === undefined ? whole('--seeds', values.seeds ?? (mutations ? '200' : '100')) : 1,
    kind: values.kind === undefined ? undefined : kindNamed(values.kind),
    mutations,
    mutation,
    trace,
  };
}

function kindNamed(text: string): Kind {
  const kind = kinds.find((one) => one === text);
  if (kind === undefined) throw new Error(`--kind can't be ${text}: there are ${kinds.join(', ')}`);
  return kind;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} can't be ${text}: give a whole number`);
  return value;
}
