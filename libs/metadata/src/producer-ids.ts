import { type ProducerId, producerId, type Revision } from '@moldau/kernel';

/** How many producer ids a node takes at once. */
export const producerBlockSize = 1_000;

/**
 * The first id of the block that was taken by the write of this revision. No revision comes twice, so no id does: not
 * after a lost answer, which only loses a block, and not after a restore, which raises the revision.
 */
export const producerBlock = (revision: Revision): ProducerId => producerId(revision * BigInt(producerBlockSize));
