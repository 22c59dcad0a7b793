import { faults, type Millis } from '@moldau/kernel';
import { type Bounds, msWithin } from './bounds.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import type { Duration } from './quantities.ts';

/** How batches are made up. */
export interface BatchesOptions {
  /** Default 500. */
  readonly maxRecords?: number;
  /** How long to wait for more once there is a record. Default 200 ms. */
  readonly maxWait?: Duration;
}

const names: OptionNames<BatchesOptions> = { maxRecords: true, maxWait: true };
const maxWaitBounds: Bounds = [0, 3_600_000];

/** Throws INVALID_REQUEST, which names the option. */
export function checkedBatches(options: BatchesOptions): { readonly maxRecords: number; readonly maxWaitMs: Millis } {
  checkOptionNames('`batches`', options, names);
  const { maxRecords = 500, maxWait = '200ms' } = options;
  if (!(Number.isInteger(maxRecords) && maxRecords >= 1))
    throw faults.invalidRequest('maxRecords', `is ${maxRecords}: at least 1`);
  return { maxRecords, maxWaitMs: msWithin('maxWait', maxWait, maxWaitBounds) };
}
