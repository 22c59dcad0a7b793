import type { PartitionKey } from '@moldau/kernel';
import type { InstanceId, MemberId } from '../ids.ts';
import type { TopicView } from '../topics.ts';
import { assignRanges } from './range.ts';
import { assignUniformly } from './uniform.ts';

/** A member, as an assignor sees it. */
export interface AssignorMember {
  readonly id: MemberId;
  readonly instance: InstanceId | undefined;
  /** Empty: not known. */
  readonly rack: string;
  /** The topics that it wants, by name. Members that want the same have the same list. */
  readonly topics: readonly TopicView[];
  /** Its target so far. */
  readonly previous: ReadonlySet<PartitionKey>;
}

/** Shares the partitions of all topics among the members that want them. The same members, in any order, get the same. */
export type Assignor = (members: readonly AssignorMember[]) => ReadonlyMap<MemberId, ReadonlySet<PartitionKey>>;

export const assignorNames = ['uniform', 'range'] as const;
export type AssignorName = (typeof assignorNames)[number];

export const assignors: Readonly<Record<AssignorName, Assignor>> = { uniform: assignUniformly, range: assignRanges };

/** The one that most members ask for; `uniform` when nobody does, or as many ask for it as for another. */
export function chosenAssignor(wishes: Iterable<AssignorName | undefined>): AssignorName {
  let uniform = 0;
  let range = 0;
  for (const wish of wishes) {
    if (wish === 'range') range += 1;
    if (wish === 'uniform') uniform += 1;
  }
  return range > uniform ? 'range' : 'uniform';
}
