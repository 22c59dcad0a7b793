import type { Moldau } from '@moldau/client';
import { type Clock, faults, type Millis, MoldauError, type Timers } from '@moldau/kernel';
import { SubscriptionService } from '@moldau/proto/moldau/group/v1/subscription_pb';
import { type SealPorts, type ServedService, sealError, serve } from '@moldau/rpc';
import { Subscription } from './subscription.ts';

/** The world, as subscriptions see it. */
export interface SubscriptionsPorts extends SealPorts {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Each holds a window of records, and a session with every node that it reads from. */
const subscribersMax = 1_000;

/** Serves subscribers, each by a member of its group. */
export class Subscriptions {
  readonly #client: Moldau;
  readonly #ports: SubscriptionsPorts;
  readonly #open = new Set<Subscription>();
  readonly #started = new Set<Subscription>();
  #isLeaving = false;

  /** `client`: of the cluster that is consumed. It is closed by whoever made it, when this has stopped. */
  constructor(client: Moldau, ports: SubscriptionsPorts) {
    this.#client = client;
    this.#ports = ports;
  }

  /** What it serves. */
  service(): ServedService {
    return serve(SubscriptionService, {
      subscribe: async (session, { keeps }) => {
        if (this.#isLeaving) throw faults.notServing('this process', 'leaving');
        const seal = (error: unknown): MoldauError => sealError(error, 'a subscription', this.#ports);
        // Who has not started takes nobody's place.
        const admit = (): void => {
          if (this.#started.size >= subscribersMax) throw tooMany();
          this.#started.add(subscription);
        };
        const subscription = new Subscription(session, this.#client, { ...this.#ports, seal, keeps, admit });
        this.#open.add(subscription);
        try {
          await subscription.run();
        } finally {
          this.#open.delete(subscription);
          this.#started.delete(subscription);
        }
      },
    });
  }

  /** Asks every subscriber to leave, and takes no new one. */
  drain(graceMs: Millis): void {
    this.#isLeaving = true;
    for (const subscription of this.#open) subscription.drain(graceMs);
  }

  /** Leaves every group. */
  async stop(): Promise<void> {
    this.#isLeaving = true;
    await Promise.all([...this.#open].map((subscription) => subscription.stop()));
  }
}

const tooMany = (): MoldauError =>
  new MoldauError('OVERLOADED', `${subscribersMax} subscribers are here: retry later, or elsewhere`, {
    limit: 'subscribers',
  });
