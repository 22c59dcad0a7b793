import type { TopicPartition } from '@moldau/client';

/** What was sent at once, and not acknowledged. */
interface Sent {
  readonly nextOffset: bigint;
  readonly bytes: number;
}

interface SentOfPartition {
  readonly unacked: Sent[];
  /** Everything below is acknowledged, or was never sent. */
  ackedTo: bigint;
  nextOffset: bigint;
}

/** Counts what a subscriber has and has not acknowledged, partition by partition. */
export class Window {
  readonly limitBytes: number;
  readonly #sent = new Map<string, SentOfPartition>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get roomBytes(): number {
    return this.limitBytes - this.#bytes;
  }

  /** One record always has, when nothing else is out. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes === 0 || bytes <= this.roomBytes;
  }

  /** Records from `first` on, up to an offset. */
  sent(first: TopicPartition & { readonly offset: bigint }, nextOffset: bigint, bytes: number): void {
    const name = nameOf(first);
    const partition = this.#sent.get(name) ?? { unacked: [], ackedTo: first.offset, nextOffset };
    partition.unacked.push({ nextOffset, bytes });
    partition.nextOffset = nextOffset;
    this.#sent.set(name, partition);
    this.#bytes += bytes;
  }

  /**
   * Everything below is acknowledged. `nothing`: it says no more than what was said before, or the partition is the subscriber's
   * no more; `beyond`: nothing was sent that far.
   */
  acked(at: TopicPartition, nextOffset: bigint): 'counts' | 'nothing' | 'beyond' {
    const partition = this.#sent.get(nameOf(at));
    if (partition === undefined || nextOffset <= partition.ackedTo) return 'nothing';
    if (nextOffset > partition.nextOffset) return 'beyond';
    partition.ackedTo = nextOffset;
    const { unacked } = partition;
    while (unacked[0] !== undefined && unacked[0].nextOffset <= nextOffset) this.#bytes -= unacked.shift()?.bytes ?? 0;
    return 'counts';
  }

  /** Whether something of a partition is not acknowledged. */
  owes(at: TopicPartition): boolean {
    return (this.#sent.get(nameOf(at))?.unacked.length ?? 0) > 0;
  }

  /** It is the subscriber's no more. */
  forget(at: TopicPartition): void {
    for (const { bytes } of this.#sent.get(nameOf(at))?.unacked ?? []) this.#bytes -= bytes;
    this.#sent.delete(nameOf(at));
  }
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
