import type { Scenario } from '../scene.ts';
import { leaderKilled, leaderPaused } from './leader.ts';

/** All of them, in the order in which they run. */
export const scenarios: readonly Scenario[] = [leaderKilled, leaderPaused];
