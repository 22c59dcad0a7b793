import { GroupService, type JoinSessionResponse, type TopicPartition } from '@moldau/proto/moldau/group/v1/group_pb';
import { type Channel, fromWireError } from '@moldau/rpc';

/** A member as a stream and nothing else: takes what it is given, gives up what it is told to, and reads no records. */
export class RawMember {
  readonly name: string;
  readonly #session;
  readonly #onChange: () => void;
  readonly #over: Promise<void>;
  readonly #commits = new Map<bigint, PromiseWithResolvers<void>>();
  #owned: TopicPartition[] = [];
  #epoch = 0;
  #isSettled = false;
  #number = 0n;

  /** `onChange`: it was given something else. */
  constructor(
    channel: Channel,
    name: string,
    { group, topic }: { readonly group: string; readonly topic: string },
    onChange: () => void,
  ) {
    this.name = name;
    this.#onChange = onChange;
    this.#session = channel.session(GroupService.method.joinSession);
    this.#session.send({
      frame: {
        case: 'hello',
        value: { group, memberId: name, topics: [topic], rebalanceTimeoutMs: 60_000, owned: { partitions: [] } },
      },
    });
    this.#over = this.#listen();
    this.#over.catch((error: unknown) => {
      for (const waiting of this.#commits.values()) waiting.reject(error);
    });
  }

  get owned(): readonly TopicPartition[] {
    return this.#owned;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** It has been given something, and nothing more is to come or to be given up. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  ping(): void {
    this.#session.send({ frame: { case: 'ping', value: { number: 0n } } });
  }

  /** Resolves when it is committed. Rejects when it is not. */
  commit(offset: bigint): Promise<void> {
    const [partition] = this.#owned;
    this.#number += 1n;
    const number = this.#number;
    this.#session.send({
      frame: { case: 'commit', value: { offsets: [{ partition, offset }], memberEpoch: this.#epoch, number } },
    });
    const committed = Promise.withResolvers<void>();
    this.#commits.set(number, committed);
    return committed.promise;
  }

  /** Leaves the group. */
  async leave(): Promise<void> {
    this.#session.send({ frame: { case: 'leave', value: {} } });
    this.#session.end();
    await this.#over;
  }

  async #listen(): Promise<void> {
    for await (const { frame } of this.#session.incoming) this.#take(frame);
  }

  #take(frame: JoinSessionResponse['frame']): void {
    if (frame.case === 'fenced' || frame.case === 'refused') throw fromWireError(frame.value);
    if (frame.case === 'redirect') throw new Error(`${this.name} was asked to go elsewhere`);
    if (frame.case === 'committed') {
      const { number, error, failures } = frame.value;
      const [failure = { error }] = failures;
      if (failure.error !== undefined) throw fromWireError(failure.error);
      this.#commits.get(number)?.resolve();
      this.#commits.delete(number);
    }
    if (frame.case !== 'assignment') return;
    const { number, memberEpoch, assigned, revoke, pending } = frame.value;
    this.#owned = assigned.flatMap(({ partition }) => partition ?? []);
    this.#epoch = memberEpoch;
    this.#isSettled = revoke.length === 0 && pending.length === 0;
    this.#session.send({ frame: { case: 'ack', value: { assignment: number, owned: { partitions: this.#owned } } } });
    this.#onChange();
  }
}
