import type { Delivery } from './delivery.ts';
import type { SendFailed } from './send-failed.ts';

/** Lost batches whose tickets nobody has read, or not all of them. Holds one error, however many they are. */
export class Losses {
  #unseen = 0;
  #first: SendFailed | undefined;

  add(delivery: Delivery, error: SendFailed): void {
    if (delivery.isSeen) return;
    this.#first ??= error;
    this.#unseen += 1;
    delivery.onSeen = () => {
      this.#unseen -= 1;
      if (this.#unseen === 0) this.#first = undefined;
    };
  }

  /** The first one, while there is one that nobody has seen. */
  get first(): SendFailed | undefined {
    return this.#first;
  }
}
