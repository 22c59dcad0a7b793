import type { TopicPartition } from '@moldau/client';

/** What was sent at once, and not acknowledged. */
interface Sent {
  readonly nextOffset: bigint;
  readonly bytes: number;
}

/** Counts what a subscriber has and has not acknowledged, partition by partition. */
export class Window {
  readonly limitBytes: number;
  readonly #sent = new Map<string, { readonly nextOffset: bigint; readonly unacked: Sent[] }>();
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

  sent(at: TopicPartition, nextOffset: bigint, bytes: number): void {
    const name = nameOf(at);
    const unacked = this.#sent.get(name)?.unacked ?? [];
    unacked.push({ nextOffset, bytes });
    this.#sent.set(name, { nextOffset, unacked });
    this.#bytes += bytes;
  }

  /**
   * Everything below is acknowledged. `gone`: the partition is the subscriber's no more, or nothing of it was sent; `beyond`: not
   * that far.
   */
  acked(at: TopicPartition, nextOffset: bigint): 'counts' | 'gone' | 'beyond' {
    const partition = this.#sent.get(nameOf(at));
    if (partition === undefined) return 'gone';
    if (nextOffset > partition.nextOffset) return 'beyond';
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
