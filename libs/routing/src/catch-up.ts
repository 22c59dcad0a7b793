import { MoldauError } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { ClusterView } from './cluster-view.ts';
import type { Forwarding } from './forwarding.ts';

const askMs = 2_000;
const waitMs = 2_000;

/**
 * Brings a view up to what a coordinator knows, before something is called unknown that may only be new. Whoever asks
 * while a call is under way shares the next one: the one that is under way may have been answered before.
 */
export class CatchUp {
  readonly #view: ClusterView;
  readonly #forwarding: Forwarding;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(view: ClusterView, forwarding: Forwarding) {
    this.#view = view;
    this.#forwarding = forwarding;
  }

  /** Resolves when the view has what was there at the time of the call, or when nobody could be asked. */
  now(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    try {
      const { version } = await this.#forwarding.ask(ClusterService.method.getMetadata, {}, askMs);
      await this.#view.reached(version, waitMs);
    } catch (error) {
      // Nobody can be asked: what is known must do.
      if (!(error instanceof MoldauError)) throw error;
    }
  }
}
