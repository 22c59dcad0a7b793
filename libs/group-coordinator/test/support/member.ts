import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  GroupService,
  type JoinSessionRequestSchema,
  type JoinSessionResponse,
  type TopicPartition,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { type Channel, fromWireError } from '@moldau/rpc';
import { Collected } from '@moldau/testing';

type Stream = Collected<MessageInitShape<typeof JoinSessionRequestSchema>, JoinSessionResponse>;
/** What it says of itself. */
interface Hello {
  readonly group: string;
  readonly topics: string[];
  readonly instanceId?: string;
  readonly topicRegex?: string;
  readonly assignor?: string;
  readonly rebalanceTimeoutMs?: number;
}

export const nameOf = (partition: TopicPartition | undefined): string =>
  `${partition?.topicId}/${partition?.partition}`;

/** Who owns what, as the members believe: nobody may own what another one does. */
export class Ownership {
  readonly #owners = new Map<string, string>();
  readonly conflicts: string[] = [];
  /** The highest offset of each partition that a member was told to be committed. */
  readonly committed = new Map<string, bigint>();

  take(partition: string, member: string): void {
    const owner = this.#owners.get(partition);
    if (owner !== undefined && owner !== member) this.conflicts.push(`${partition}: ${owner} and ${member}`);
    this.#owners.set(partition, member);
  }

  noteCommitted({ partition, offset }: { readonly partition: string; readonly offset: bigint }): void {
    if (offset > (this.committed.get(partition) ?? 0n)) this.committed.set(partition, offset);
  }

  give(partition: string, member: string): void {
    if (this.#owners.get(partition) === member) this.#owners.delete(partition);
  }
}

/** A member as clients are to behave: takes what it is given, gives up what it is asked to, and says so. */
export class Member {
  readonly name: string;
  readonly owned = new Map<string, TopicPartition>();
  /** What each assignment said to be committed. */
  readonly committed = new Map<string, bigint | undefined>();
  readonly #ownership: Ownership;
  readonly #hello: Hello & { readonly memberId: string };
  stream: Stream | undefined;
  epoch: number | undefined;
  applied: bigint | undefined;
  #seen = 0;
  #heard = 0;
  readonly #sent = new Map<bigint, { readonly partition: string; readonly offset: bigint }>();

  constructor(name: string, hello: Hello, ownership = new Ownership()) {
    this.name = name;
    this.#hello = { memberId: name, rebalanceTimeoutMs: 10_000, ...hello };
    this.#ownership = ownership;
  }

  /** Joins, or resumes, on a new stream. */
  open(channel: Channel): this {
    this.stream = new Collected(channel.session(GroupService.method.joinSession));
    this.#seen = 0;
    this.#heard = 0;
    this.stream.send({
      frame: {
        case: 'hello',
        value: {
          ...this.#hello,
          owned: { partitions: [...this.owned.values()] },
          ...(this.epoch !== undefined && { lastMemberEpoch: this.epoch }),
          ...(this.applied !== undefined && { lastAssignment: this.applied }),
        },
      },
    });
    return this;
  }

  say(frame: NonNullable<MessageInitShape<typeof JoinSessionRequestSchema>['frame']>): void {
    this.stream?.send({ frame });
  }

  /** Does what it was told since the last call. */
  work(): void {
    const assignments = this.stream?.of('assignment') ?? [];
    for (const { value } of assignments.slice(this.#seen)) {
      this.epoch = value.memberEpoch;
      this.applied = value.number;
      for (const { partition } of value.assigned) {
        if (partition === undefined) continue;
        this.owned.set(nameOf(partition), partition);
        this.#ownership.take(nameOf(partition), this.name);
      }
      for (const { partition, offset } of value.assigned) this.#told(nameOf(partition), offset);
      for (const partition of value.revoke) {
        this.owned.delete(nameOf(partition));
        this.#ownership.give(nameOf(partition), this.name);
      }
      const owned = { partitions: [...this.owned.values()] };
      this.say({ case: 'ack', value: { assignment: value.number, owned } });
    }
    this.#seen = assignments.length;
    const results = this.stream?.of('committed') ?? [];
    for (const { value } of results.slice(this.#heard)) {
      const sent = this.#sent.get(value.number);
      if (value.error === undefined && value.failures.length === 0 && sent !== undefined)
        this.#ownership.noteCommitted(sent);
    }
    this.#heard = results.length;
  }

  /** What is committed never goes back. */
  #told(partition: string, offset: bigint | undefined): void {
    this.committed.set(partition, offset);
    const { committed, conflicts } = this.#ownership;
    const before = committed.get(partition) ?? 0n;
    if ((offset ?? 0n) < before) conflicts.push(`${partition}: ${offset} is committed, and was ${before}`);
    else this.#ownership.noteCommitted({ partition, offset: offset ?? 0n });
  }

  ping(): void {
    this.say({ case: 'ping', value: { number: 1n } });
  }

  commit(partition: string, offset: bigint, number = 1n, epoch = this.epoch ?? 0): void {
    const named = this.owned.get(partition);
    if (named === undefined) throw new Error(`${this.name} does not own ${partition}`);
    this.#sent.set(number, { partition, offset });
    this.say({ case: 'commit', value: { offsets: [{ partition: named, offset }], memberEpoch: epoch, number } });
  }

  /** What became of the commits: the reasons why not. */
  get results(): string[] {
    return (this.stream?.of('committed') ?? []).map(({ value }) => {
      if (value.error !== undefined) return `${value.number} ${fromWireError(value.error).reason}`;
      const [failure] = value.failures;
      return failure?.error === undefined
        ? `${value.number} committed`
        : `${value.number} ${fromWireError(failure.error).reason}`;
    });
  }

  get fencedBy(): string | undefined {
    const [fenced] = this.stream?.of('fenced') ?? [];
    return fenced === undefined ? undefined : fromWireError(fenced.value).reason;
  }
}
