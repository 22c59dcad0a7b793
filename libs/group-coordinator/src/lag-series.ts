import type { Gauge, Meter, Millis } from '@moldau/kernel';

/** Whose lag it is. Users name groups and topics. */
export interface LagLabels {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

interface Shown {
  readonly records: Gauge;
  readonly seconds: Gauge;
}

/** Positions whose lag one process shows: there may be as many as users like. */
export const shownMax = 1_000;

/** The lag of groups, as gauges that come and go. */
export class LagSeries {
  readonly #meter: Meter;
  readonly #leftOut: Gauge;
  readonly #shown = new Map<string, Shown>();

  constructor(meter: Meter) {
    this.#meter = meter;
    const help = `Committed positions whose lag is not shown: one process shows that of ${shownMax}`;
    this.#leftOut = meter.gauge('moldau_group_lag_left_out', help);
    this.#leftOut.set(0);
  }

  /** Returns what this is to be kept by. What is `undefined` is not known, and not shown. */
  show(labels: LagLabels, records: bigint | undefined, behindMs: Millis | undefined): string {
    const key = JSON.stringify([labels.group, labels.topic, labels.partition]);
    const shown = this.#shown.get(key) ?? this.#make(labels);
    this.#shown.set(key, shown);
    set(shown.records, records === undefined ? undefined : Number(records));
    set(shown.seconds, behindMs === undefined ? undefined : behindMs / 1_000);
    return key;
  }

  /** Shows no others any more. `leftOut`: how many are not shown because there are too many. */
  keep(keys: ReadonlySet<string>, leftOut: number): void {
    this.#leftOut.set(leftOut);
    for (const [key, { records, seconds }] of this.#shown) {
      if (keys.has(key)) continue;
      this.#shown.delete(key);
      records.drop();
      seconds.drop();
    }
  }

  #make({ group, topic, partition }: LagLabels): Shown {
    const labels = { group, topic, partition: String(partition) };
    const records = 'Records between what a group has committed and the end; not of every position: see left_out';
    const seconds =
      'For how long the first record that a group has not committed has been there; not of every position';
    return {
      records: this.#meter.gauge('moldau_group_lag_records', records, labels),
      seconds: this.#meter.gauge('moldau_group_lag_seconds', seconds, labels),
    };
  }
}

function set(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.drop();
  else gauge.set(value);
}
