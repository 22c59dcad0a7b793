/** A record in a copy of the log. */
export interface Found {
  readonly partition: number;
  readonly offset: bigint;
  readonly text: string;
}

const shownMax = 3;
const shownCharacters = 80;

/**
 * What was promised: what writers had acknowledged, and what readers saw. Any copy of the log is held against it. What it
 * finds has the names of Jepsen's checker for Kafka.
 */
export class Ledger {
  readonly #acknowledged = new Map<string, string>();
  readonly #seen = new Map<string, string>();
  readonly #next = new Map<number, bigint>();
  readonly #problems: string[] = [];

  /** The name of a record: `record-lane-number`, counted up within its lane; the padding only makes it longer. */
  static text(lane: string, number: number, paddingBytes = 0): string {
    return `record-${lane}-${number}${paddingBytes === 0 ? '' : `-${'x'.repeat(paddingBytes)}`}`;
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** What readers have seen go wrong. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  acked(partition: number, text: string, offset: bigint | undefined): void {
    this.#acknowledged.set(nameOf(text), offset === undefined ? `${partition}` : `${partition}/${offset}`);
  }

  /** The reader that follows the end has got this: from one offset to the next, without a gap. */
  read({ partition, offset, text }: Found): void {
    const expected = this.#next.get(partition) ?? 0n;
    if (offset !== expected)
      this.#problems.push(`skipped or repeated: ${partition}/${offset} was read after ${expected}`);
    this.#next.set(partition, offset + 1n);
    const wrong = this.differs({ partition, offset, text });
    if (wrong !== undefined) this.#problems.push(wrong);
    this.#seen.set(`${partition}/${offset}`, nameOf(text));
  }

  /** How a record that was read once more is not what was written, or what a reader saw there before. */
  differs({ partition, offset, text }: Found): string | undefined {
    const place = `${partition}/${offset}`;
    if (!isAsWritten(text)) return `damaged: ${place} is ${text.slice(0, shownCharacters)}`;
    const name = nameOf(text);
    const seen = this.#seen.get(place);
    return seen === undefined || seen === name
      ? undefined
      : `inconsistent offset: ${place} was read as ${seen}, and is ${name}`;
  }

  /** Rejects when anything is lost, twice, elsewhere, out of order, or not what a reader saw there. `copy` names it. */
  async balance(copy: string, records: AsyncIterable<Found> | Iterable<Found>): Promise<void> {
    const places = new Map<string, string>();
    const last = new Map<string, number>();
    const problems: string[] = [];
    let unseen = this.#seen.size;
    for await (const { partition, offset, text } of records) {
      const name = nameOf(text);
      const place = `${partition}/${offset}`;
      const wrong = this.differs({ partition, offset, text });
      if (wrong !== undefined) problems.push(wrong);
      if (places.has(name)) problems.push(`duplicate: ${name} is at ${places.get(name)} and at ${place}`);
      places.set(name, place);
      const [lane, number] = laneOf(name);
      if (number <= (last.get(lane) ?? -1)) problems.push(`non-monotonic send: ${name} stands behind a later one`);
      last.set(lane, number);
      if (this.#seen.has(place)) unseen -= 1;
    }
    for (const [name, promised] of this.#acknowledged) {
      const place = places.get(name);
      if (place === undefined) problems.push(`lost write: ${name} was acknowledged at ${promised}, and is nowhere`);
      // An old duplicate is acknowledged without its offset.
      else if (place !== promised && !place.startsWith(`${promised}/`))
        problems.push(`inconsistent offset: ${name} was acknowledged at ${promised}, and is at ${place}`);
    }
    if (unseen > 0) problems.push(`aborted read: ${unseen} records that readers saw are not there`);
    if (problems.length > 0)
      throw new Error(`${copy}: ${problems.length} problems: ${problems.slice(0, shownMax).join('; ')}`);
  }
}

const isAsWritten = (text: string): boolean => /^record-[\d.]+-\d+(-x+)?$/.test(text);

const nameOf = (text: string): string => text.split('-').slice(0, 3).join('-');

function laneOf(name: string): [lane: string, number: number] {
  const [, lane = '', number] = name.split('-');
  return [lane, Number(number)];
}
