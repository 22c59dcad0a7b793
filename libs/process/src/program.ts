import type { Schema, Values } from '@moldau/config';
import type { Clock, Logger, Meter, Random, Timers } from '@moldau/kernel';
import type { TelemetryOptions } from './telemetry.ts';

/** The real world, as a service gets it. */
export interface ProcessWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** A service that runs. */
export interface RunningService {
  /** Where its gRPC services are. */
  readonly host: string;
  readonly port: number;
  /** `undefined`: it does its work. Otherwise why not, in a few words. */
  problem(): string | undefined;
  /** Rejects when it can't go on; never resolves. Absent: nothing ends it. */
  readonly failed?: Promise<never>;
  /** Lets others take over and clients finish, and ends. */
  stop(): Promise<void>;
}

/** One service as a program: its settings, and how it is started with them. */
export interface Program<S extends Schema = Schema> {
  readonly name: string;
  readonly summary: string;
  readonly settings: S;
  telemetry(values: Values<S>): TelemetryOptions;
  /** Throws a StartError where the values can't go together. */
  check?(values: Values<S>): void;
  /** Rejects with a StartError that says what to do. */
  start(values: Values<S>, world: ProcessWorld): Promise<RunningService>;
}
