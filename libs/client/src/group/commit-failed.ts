import { MoldauError } from '@moldau/kernel';
import type { TopicPartition } from '../consumer.ts';

/** A partition that was not committed, and why. */
export interface CommitFailure extends TopicPartition {
  readonly error: MoldauError;
}

/** Some partitions of a commit were refused, for good; the others are committed. Has the reason of the first. */
export class CommitFailed extends MoldauError {
  readonly failures: readonly CommitFailure[];

  constructor(failures: readonly [CommitFailure, ...CommitFailure[]]) {
    const [{ topic, partition, error }] = failures;
    const others = failures.length > 1 ? `, and of ${failures.length - 1} more` : '';
    super(error.reason, `the commit of ${topic}/${partition}${others} was refused: ${error.message}`, error.fields, {
      cause: error,
    });
    this.failures = failures;
  }
}
