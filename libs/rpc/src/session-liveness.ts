import type { Clock, Millis } from '@moldau/kernel';

/** An idle side of a session says so this often: half of what the contract allows. */
const heartbeatEveryMs = 2_500;
/** Both sides speak every 5 s at most: one that is silent for three times as long is gone, whatever TCP says. */
const silentAfterMs = 15_000;

/** Knows when one end of a session last heard from its peer and last spoke to it. */
export class SessionLiveness {
  readonly #clock: Clock;
  #heardAt: Millis;
  #saidAt: Millis;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardAt = clock.monotonicMs();
    this.#saidAt = this.#heardAt;
  }

  heard(): void {
    this.#heardAt = this.#clock.monotonicMs();
  }

  said(): void {
    this.#saidAt = this.#clock.monotonicMs();
  }

  get owesHeartbeat(): boolean {
    return this.#clock.monotonicMs() - this.#saidAt >= heartbeatEveryMs;
  }

  get peerIsSilent(): boolean {
    return this.#clock.monotonicMs() - this.#heardAt >= silentAfterMs;
  }
}
