import { faults } from '@moldau/kernel';

// What a peer of replication may make this node hold or do at once. Both sides keep to it, and both refuse what does not.

/** Entries of one kind in a frame. */
export const entriesMax = 10_000;
/** Sessions that begin with one frame: with all their epochs they must fit it. */
export const hellosMax = 500;
/** The newest epochs of a copy that a Hello lists. */
export const epochsMax = 64;
/** Answers to sessions that wait for a follower to take them: beyond them nothing more is heard of it. */
export const answersMax = 10_000;

/** Throws INVALID_REQUEST when a frame lists more than is allowed. */
export function requireFew(lists: Readonly<Record<string, readonly unknown[]>>, most: number): void {
  for (const [field, { length }] of Object.entries(lists)) {
    if (length > most) throw faults.invalidRequest(field, `has ${length} entries: at most ${most} in a frame`);
  }
}
