import { faults } from '@moldau/kernel';

const longestName = 249;
const internalPrefix = '__';

/** Topics of the system: made by Moldau itself, left out of listings. */
export const isInternalTopic = (name: string): boolean => name.startsWith(internalPrefix);

/** Refuses a name that no user's topic may have: INVALID_REQUEST. */
export function checkTopicName(name: string): void {
  if (name === '') throw faults.invalidRequest('name', 'is empty: give the topic a name');
  if (name.length > longestName) {
    throw faults.invalidRequest('name', `is ${name.length} characters long: at most ${longestName}`);
  }
  if (name === '.' || name === '..') throw faults.invalidRequest('name', `is ${JSON.stringify(name)}: choose another`);
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    throw faults.invalidRequest('name', `is ${JSON.stringify(name)}: only a–z, A–Z, 0–9, '.', '_' and '-'`);
  }
  if (isInternalTopic(name)) {
    throw faults.invalidRequest('name', `is ${JSON.stringify(name)}: names that begin with __ belong to the system`);
  }
}
