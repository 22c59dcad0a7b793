import { faults } from '@moldau/kernel';

/** Every option by its name: does not compile while one is missing. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** Refuses options that do not exist, as unchecked JavaScript may hand in. Throws INVALID_REQUEST, which says what there is. */
export function checkOptionNames<T extends object>(what: string, options: T, names: OptionNames<T>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw faults.invalidRequest('options', `of ${what} are no object: there are ${Object.keys(names).join(', ')}`);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name)) continue;
    throw faults.invalidRequest(name, `is no option of ${what}: there are ${Object.keys(names).join(', ')}`);
  }
}

/** Refuses a text in the place of a list, whose letters would be topics. Throws INVALID_REQUEST. */
export function checkTopics(topics: unknown): void {
  const isList = Array.isArray(topics) && topics.every((topic) => typeof topic === 'string' && topic !== '');
  if (!isList) throw faults.invalidRequest('topics', "are no list of names: write them as in ['orders']");
}
