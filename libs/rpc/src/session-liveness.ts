import type { Clock, Millis } from '@moldau/kernel';

/** An idle side of a session says so this often: less than half of what the contract allows. */
const heartbeatEveryMs = 2_000;
/**
 * Who is silent for so long is gone, whatever TCP says. A client may speak as seldom as the contract allows, every 5 s. A
 * server keeps to the above, and is given up sooner: its partitions have other leaders by then.
 */
const silentAfterMs = { client: 15_000, server: 6_000 } as const;
/** A server speaks first. One that does not may be asleep, with a kernel that takes connections: somebody else leads soon. */
const speaksFirstWithinMs = 3_000;

/** Knows when one end of a session last heard from its peer and last spoke to it. */
export class SessionLiveness {
  readonly #clock: Clock;
  #silentAfterMs: Millis;
  readonly #peer: 'client' | 'server';
  #heardAt: Millis;
  #saidAt: Millis;

  constructor(clock: Clock, peer: 'client' | 'server') {
    this.#clock = clock;
    this.#peer = peer;
    this.#silentAfterMs = peer === 'server' ? speaksFirstWithinMs : silentAfterMs.client;
    this.#heardAt = clock.monotonicMs();
    this.#saidAt = this.#heardAt;
  }

  heard(): void {
    this.#silentAfterMs = silentAfterMs[this.#peer];
    this.#heardAt = this.#clock.monotonicMs();
  }

  said(): void {
    this.#saidAt = this.#clock.monotonicMs();
  }

  get owesHeartbeat(): boolean {
    return this.#clock.monotonicMs() - this.#saidAt >= heartbeatEveryMs;
  }

  get peerIsSilent(): boolean {
    return this.#clock.monotonicMs() - this.#heardAt >= this.#silentAfterMs;
  }
}
