import type { Scenario } from '../scene.ts';
import { blocked, slow } from './busy.ts';
import { churn } from './churn.ts';
import { commits, replay } from './commits.ts';
import { coordinatorKilled } from './coordinator-killed.ts';
import { manyMembers } from './many-members.ts';
import { memberKilled } from './member-killed.ts';

/** All of them, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  churn,
  memberKilled,
  coordinatorKilled,
  manyMembers,
  commits,
  replay,
  slow,
  blocked,
];
