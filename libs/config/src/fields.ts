import {
  formatBytes,
  formatDuration,
  parseBoolean,
  parseBytes,
  parseDuration,
  parseInteger,
  parseOneOf,
  ValueError,
  within,
} from './values.ts';

/** One setting: how it is read, what it is without being set, and what it is for. */
export interface Field<T> {
  /** Reads a value. Throws a ValueError. */
  readonly parse: (text: string) => T;
  /** Absent: it must be set. */
  readonly default: T | undefined;
  readonly required: boolean;
  /** For the table: type, default and bounds as people write them. */
  readonly type: string;
  readonly defaultText: string;
  readonly bounds: string;
  readonly doc: string;
  /** Never shown. */
  readonly secret: boolean;
}

/** What every kind of setting says of itself. */
interface Common<T> {
  /** Absent: it must be set. */
  readonly default?: T;
  readonly doc: string;
}
type Ranged<T> = Common<T> & { readonly min?: T; readonly max?: T };

/** A span of time; read as milliseconds. Without `max` it may be `unlimited`, which is Infinity. */
export const duration = (options: Ranged<string>): Field<number> =>
  quantity('duration', options, parseDuration, formatDuration, parseDuration);

/** A size; read as bytes. Without `max` it may be `unlimited`, which is Infinity. */
export const bytes = (options: Ranged<string>): Field<number> =>
  quantity('bytes', options, parseBytes, formatBytes, parseBytes);

/** A whole number. */
export const integer = (options: Ranged<number>): Field<number> =>
  quantity('integer', options, parseInteger, String, (value) => value);

/** Any text. `form` says in which form it is wanted; `secret` keeps it out of every listing. */
export const text = (
  options: Common<string> & { readonly pattern?: RegExp; readonly form?: string; readonly secret?: boolean },
): Field<string> => {
  const { pattern, form = 'text of the right form', secret = false } = options;
  const parse = (value: string): string => {
    if (pattern !== undefined && !pattern.test(value)) throw new ValueError(secret ? '***' : value, form);
    return value;
  };
  return { ...described('text', options, parse, (value) => value), bounds: pattern === undefined ? '' : form, secret };
};

/** One of a few words. */
export const oneOf = <const T extends string>(choices: readonly T[], options: Common<T>): Field<T> => ({
  ...described(
    'one of',
    options,
    (value) => parseOneOf(choices, value),
    (value) => value,
  ),
  bounds: choices.join(', '),
});

/** True or false. As a flag without a value: true. */
export const boolean = (options: Common<boolean>): Field<boolean> =>
  described('boolean', options, parseBoolean, String);

/** A setting that may be left out; then it is undefined. */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({ ...field, required: false });

function quantity<T>(
  type: string,
  options: Ranged<T>,
  parse: (text: string) => number,
  format: (value: number) => string,
  read: (value: T) => number,
): Field<number> {
  const { doc } = options;
  const min = options.min === undefined ? Number.NEGATIVE_INFINITY : read(options.min);
  const max = options.max === undefined ? Number.POSITIVE_INFINITY : read(options.max);
  const checked = (text: string): number => within(parse(text), min, max, format);
  const common: Common<number> =
    options.default === undefined ? { doc } : { doc, default: within(read(options.default), min, max, format) };
  const from = options.min === undefined ? '' : `from ${format(min)}`;
  const to = options.max === undefined ? '' : `to ${format(max)}`;
  return { ...described(type, common, checked, format), bounds: [from, to].filter((part) => part !== '').join(' ') };
}

function described<T>(
  type: string,
  options: Common<T>,
  parse: (text: string) => T,
  format: (value: T) => string,
): Field<T> {
  return {
    type,
    parse,
    default: options.default,
    required: options.default === undefined,
    defaultText: options.default === undefined ? '' : format(options.default),
    bounds: '',
    doc: options.doc,
    secret: false,
  };
}
