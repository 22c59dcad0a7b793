import type { Clock, FileSystem, Logger, Meter, Random, Timers } from '@moldau/kernel';

/** Everything that the engine may touch of the world. */
export interface LogPorts {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}
