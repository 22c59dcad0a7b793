/** What a history is about: what is written and read, or groups of readers. */
export type Kind = 'log' | 'groups';

/** Every third seed is one of groups. */
export const kindOf = (seed: number): Kind => (seed % 3 === 0 ? 'groups' : 'log');
