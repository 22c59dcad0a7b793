import { StartError } from '@moldau/kernel';

/** A value in the metadata store that this program can't read. It must not go on: it would write over what it does not know. */
export class UnreadableValue extends StartError {}

type Json = Readonly<Record<string, unknown>>;

/** Reads the fields of one stored JSON object, and says which one is wrong. */
export class StoredFields {
  readonly #key: string;
  readonly #json: Json;

  private constructor(key: string, json: Json) {
    this.#key = key;
    this.#json = json;
  }

  /** Refuses what is no JSON object, and a version above `known`. */
  static parse(key: string, text: string, known: number): StoredFields {
    const fields = new StoredFields(key, parseObject(key, text));
    const version = fields.integer('v');
    if (version > known) {
      throw new UnreadableValue(
        `${key} in the metadata store has version ${version}, and this program knows ${known}: run a newer program`,
      );
    }
    return fields;
  }

  text(name: string): string {
    const value = this.#json[name];
    return typeof value === 'string' ? value : this.#refuse(name, 'a text');
  }

  optionalText(name: string): string | undefined {
    return this.#json[name] === undefined ? undefined : this.text(name);
  }

  flag(name: string): boolean {
    const value = this.#json[name];
    return typeof value === 'boolean' ? value : this.#refuse(name, 'true or false');
  }

  integer(name: string): number {
    const value = this.#json[name];
    return Number.isSafeInteger(value) ? Number(value) : this.#refuse(name, 'a whole number');
  }

  optionalInteger(name: string): number | undefined {
    return this.#json[name] === undefined ? undefined : this.integer(name);
  }

  /** A 64-bit number, stored as text. */
  bigint(name: string): bigint {
    return this.#toBigint(name, this.#json[name]);
  }

  integers(name: string): number[] {
    return this.#list(name).map((item) => {
      return Number.isSafeInteger(item) ? Number(item) : this.#refuse(name, 'a list of whole numbers');
    });
  }

  /** A list of `[number, 64-bit number]`. */
  pairs(name: string): [number, bigint][] {
    return this.#list(name).map((item) => {
      if (!Array.isArray(item) || !Number.isSafeInteger(item[0])) return this.#refuse(name, 'a list of pairs');
      return [Number(item[0]), this.#toBigint(name, item[1])];
    });
  }

  texts(name: string): Record<string, string> {
    const value = this.#json[name];
    if (typeof value !== 'object' || value === null) return this.#refuse(name, 'texts by name');
    const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return Object.fromEntries(entries);
  }

  #list(name: string): unknown[] {
    const value = this.#json[name];
    return Array.isArray(value) ? value : this.#refuse(name, 'a list');
  }

  #toBigint(name: string, value: unknown): bigint {
    if (typeof value !== 'string' || !/^\d{1,19}$/.test(value)) return this.#refuse(name, 'a number as text');
    return BigInt(value);
  }

  #refuse(name: string, expected: string): never {
    throw new UnreadableValue(`${this.#key} in the metadata store is damaged: ${name} is not ${expected}`);
  }
}

function parseObject(key: string, text: string): Json {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null) return { ...json };
  } catch {
    // Said below, as for every other text that is no object.
  }
  throw new UnreadableValue(`${key} in the metadata store is damaged: it is no JSON object`);
}
