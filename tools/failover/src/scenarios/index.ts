import type { Scenario } from '../scene.ts';
import { allKilled } from './all-killed.ts';
import { followerBitFlip, leaderBitFlip } from './bit-flip.ts';
import { coordinatorKilled, coordinatorPaused } from './coordinator.ts';
import { diskFull } from './disk-full.ts';
import { followerKilled, followerLags, followerPaused } from './follower.ts';
import { leaderKilled, leaderPaused } from './leader.ts';
import { leaderCutOff, network } from './network.ts';
import { rollingRestart } from './rolling-restart.ts';
import { storm } from './storm.ts';

/** All of them, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  leaderKilled,
  rollingRestart,
  leaderPaused,
  followerKilled,
  followerPaused,
  followerLags,
  coordinatorKilled,
  coordinatorPaused,
  allKilled,
  leaderBitFlip,
  followerBitFlip,
  diskFull,
  leaderCutOff,
  storm,
  network,
];
