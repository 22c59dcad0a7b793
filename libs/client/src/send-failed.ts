import { MoldauError, type Outcome } from '@moldau/kernel';

/** A record that was not acknowledged. NOT_WRITTEN only if every attempt was; else it may be there, now or later. */
export class SendFailed extends MoldauError {
  readonly #outcome: Outcome;

  constructor(last: MoldauError, outcome: Outcome) {
    super(last.reason, last.message, last.fields, { retryAfterMs: last.retryAfterMs, cause: last });
    this.#outcome = outcome;
  }

  override get outcome(): Outcome {
    return this.#outcome;
  }
}
