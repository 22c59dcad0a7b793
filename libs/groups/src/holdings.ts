import type { PartitionKey } from '@moldau/kernel';
import type { Held, Holding } from './group-records.ts';

/** A member that was told nothing yet. */
export const noHolding: Holding = { epoch: 0, number: 0, acked: 0, held: new Map() };

/** Its newest assignment. */
export const assignedOf = ({ number, held }: Holding): PartitionKey[] =>
  [...held].flatMap(([partition, { sentIn }]) => (sentIn === number ? [partition] : []));

/** What it was asked to give up, and has not said that it did. */
export const revokingOf = ({ number, held }: Holding): PartitionKey[] =>
  [...held].flatMap(([partition, { sentIn }]) => (sentIn === number ? [] : [partition]));

/** UNREVOKED: everything waits until it has given up what it was asked to. */
export function isRevoking({ number, held }: Holding): boolean {
  for (const { sentIn } of held.values()) if (sentIn !== number) return true;
  return false;
}

/**
 * After the member said that it has applied `acked` and what it owns. Only what it was asked to give up goes, and only once it
 * has applied an assignment without it: an assignment on its way may still bring what it does not own yet.
 */
export function afterAck(holding: Holding, acked: number, owned: ReadonlySet<PartitionKey> | undefined): Holding {
  if (owned === undefined) return { ...holding, acked };
  const held = [...holding.held].filter(
    ([partition, { sentIn }]) => sentIn === holding.number || sentIn >= acked || owned.has(partition),
  );
  return { ...holding, acked, held: new Map(held) };
}

/**
 * The next assignment towards a target; `undefined`: there is nothing to say. Never to be asked while it is revoking.
 * `hasRevoked`: it has just given up what it was asked to.
 */
export function nextAssignment(
  holding: Holding,
  target: ReadonlySet<PartitionKey>,
  assignmentEpoch: number,
  isFree: (partition: PartitionKey) => boolean,
  hasRevoked: boolean,
): Holding | undefined {
  const number = holding.number + 1;
  const again = (partition: PartitionKey, held: Held): [PartitionKey, Held] => [partition, { ...held, sentIn: number }];
  if ([...holding.held.keys()].some((partition) => !target.has(partition))) {
    const epoch = hasRevoked ? Math.min(holding.epoch + 1, assignmentEpoch) : holding.epoch;
    const held = [...holding.held].map(([partition, one]): [PartitionKey, Held] =>
      target.has(partition) ? again(partition, one) : [partition, one],
    );
    return { ...holding, epoch, number, held: new Map(held) };
  }
  const added = [...target].filter((partition) => !holding.held.has(partition) && isFree(partition));
  if (added.length === 0 && !hasRevoked && holding.number > 0) return undefined;
  const held = new Map([...holding.held].map(([partition, one]) => again(partition, one)));
  for (const partition of added) held.set(partition, { assignmentEpoch, sentIn: number });
  return { ...holding, epoch: assignmentEpoch, number, held };
}
