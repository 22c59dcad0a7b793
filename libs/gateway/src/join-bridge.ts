import type { MessageInitShape } from '@bufbuild/protobuf';
import { groupId } from '@moldau/groups';
import { faults, type Millis } from '@moldau/kernel';
import {
  GroupService,
  type JoinSessionRequest,
  type JoinSessionRequestSchema,
  type JoinSessionResponse,
  type JoinSessionResponseSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import type { Session } from '@moldau/rpc';
import { coordinatorOf } from './group-routes.ts';
import { LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';

type Member = Session<MessageInitShape<typeof JoinSessionResponseSchema>, JoinSessionRequest>;
type Coordinator = Session<MessageInitShape<typeof JoinSessionRequestSchema>, JoinSessionResponse>;

/** The server of a session speaks within 3 s: whoever waits for longer may come again. */
const patienceMs: Millis = 2_000;

/**
 * One stream of one member, and one to whoever coordinates its group: frames go through as they are, in both directions, no faster
 * than the other end takes them. What breaks one of them breaks the other, which is no leave: the member comes again.
 */
export class JoinBridge {
  readonly #member: Member;
  readonly #parts: GatewayParts;

  constructor(member: Member, parts: GatewayParts) {
    this.#member = member;
    this.#parts = parts;
  }

  /** Serves the stream to its end. */
  async run(): Promise<void> {
    const member = this.#member;
    let coordinator: Coordinator | undefined;
    let answering: Promise<void> = Promise.resolve();
    try {
      for await (const { frame } of member.incoming) {
        if (coordinator === undefined) {
          if (frame.case !== 'hello') throw faults.invalidRequest('frame', 'comes before a hello');
          coordinator = await this.#open(frame.value.group);
          answering = this.#answer(coordinator);
          answering.catch((error: unknown) => member.cancel(this.#parts.seal(error)));
        }
        if (!coordinator.send({ frame })) await coordinator.drained();
      }
      coordinator?.end();
      await answering;
    } finally {
      coordinator?.cancel();
    }
  }

  /** Asks the member to come again elsewhere. */
  drain(graceMs: Millis): void {
    this.#member.send({ frame: { case: 'drain', value: { graceMs } } });
  }

  async #open(group: string): Promise<Coordinator> {
    const { view, connections } = this.#parts;
    const search = new LeaderSearch(this.#parts, patienceMs, this.#member.signal);
    const { address } = await search.found(() => coordinatorOf(view, groupId(group)));
    return connections.to(address, 'control').session(GroupService.method.joinSession, { signal: this.#member.signal });
  }

  async #answer(coordinator: Coordinator): Promise<void> {
    const member = this.#member;
    for await (const { frame } of coordinator.incoming) {
      if (!member.send({ frame })) await member.drained();
    }
    // It has said its last frame.
    member.end();
  }
}
