import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type CancelTimer, repeat, type Timers } from '@moldau/kernel';
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  type NodeSessionRequest,
  NodeSessionRequestSchema,
  type NodeSessionResponseSchema,
  RegisterNodeRequestSchema,
  ReplicaState,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import { FakeSession } from './fake-session.ts';
import { context, type Office } from './world.ts';

type Response = MessageInitShape<typeof NodeSessionResponseSchema>;
type Assignment = NonNullable<Response['assignments']>[number];
/** What a node found of one partition. */
export type Found = { state?: ReplicaState; durableEnd?: bigint; lastEpoch?: number; leaderEpoch?: number };

/** A storage node as the coordinator sees it: reports what a test says that it found, and keeps what it was told. */
export class FakeNode {
  readonly id: number;
  epoch = 0n;
  clusterId = '';
  /** The metadata version that it claims to have seen. */
  seen = 0n;
  /** What it says that it found of each partition, by `<topic id>-<index>`; clean and empty by default. */
  readonly found = new Map<string, Found>();
  readonly assignments = new Map<string, Assignment>();
  readonly tombstones = new Set<string>();
  readonly heard: Response[] = [];
  fencedFor: string | undefined;
  /** How its session ended; `undefined` while it is open. */
  ending: Error | 'ended' | undefined;
  readonly #reported = new Set<string>();
  readonly #timers: Timers;
  readonly #options: { rack?: string; address?: string; role?: NodeRole; incarnation: string };
  #session: FakeSession<NodeSessionRequest, Response> | undefined;
  #cancelHeartbeats: CancelTimer | undefined;

  constructor(
    timers: Timers,
    id: number,
    options: { rack?: string; address?: string; role?: NodeRole; incarnation: string },
  ) {
    this.#timers = timers;
    this.id = id;
    this.#options = options;
  }

  async register(office: Office, clusterId = '', highestVersion = 0n): Promise<void> {
    const { rack = '', address = `node-${this.id}:7071`, role = NodeRole.STORAGE, incarnation } = this.#options;
    const request = create(RegisterNodeRequestSchema, {
      version: 1,
      clusterId,
      nodeId: this.id,
      incarnation,
      address,
      rack,
      programVersion: '0.1.0',
      highestVersion,
      role,
    });
    const answer = await office.controller.registerNode(request, context());
    this.epoch = answer.nodeEpoch ?? 0n;
    this.clusterId = answer.clusterId ?? '';
  }

  /** Opens a session: reports what is new to it (unless silently), is ready at the snapshot, and sends heartbeats. */
  join(office: Office, { silently = false } = {}): void {
    const [mine, theirs] = FakeSession.pair<NodeSessionRequest, Response>();
    this.#session = mine;
    this.ending = undefined;
    office.controller.nodeSession(theirs, context(theirs.signal)).then(
      () => theirs.end(),
      (error: Error) => theirs.cancel(error),
    );
    this.#listen(mine, silently).then(
      () => this.#ended('ended'),
      (error: Error) => this.#ended(error),
    );
    this.say({ clusterId: this.clusterId, highestVersion: this.seen });
    this.resume();
  }

  say(init: MessageInitShape<typeof NodeSessionRequestSchema>): void {
    this.#session?.send(create(NodeSessionRequestSchema, { ...init, nodeId: this.id, nodeEpoch: this.epoch }));
  }

  /** Says nothing more, and keeps the connection: a paused process. */
  pause(): void {
    this.#cancelHeartbeats?.();
  }

  resume(): void {
    this.#cancelHeartbeats = repeat(this.#timers, 1_000, () => this.say({}));
  }

  /** The connection breaks. */
  die(): void {
    this.pause();
    this.#session?.cancel(new Error('the node died'));
  }

  #ended(how: Error | 'ended'): void {
    this.ending = how;
    this.#cancelHeartbeats?.();
    this.#session?.end();
  }

  async #listen(session: FakeSession<NodeSessionRequest, Response>, silently: boolean): Promise<void> {
    for await (const message of session.incoming) {
      this.heard.push(message);
      this.fencedFor = message.fenced;
      if (message.snapshot === true) this.assignments.clear();
      const told = (message.assignments ?? []).map((assignment) => {
        const key = `${assignment.topicId}-${assignment.partition?.index}`;
        this.assignments.set(key, assignment);
        return key;
      });
      for (const id of message.tombstones ?? []) this.tombstones.add(id);
      const fresh = silently ? [] : this.#fresh(told);
      if (fresh.length > 0 || message.snapshot === true) this.say({ reports: fresh, ready: message.snapshot === true });
    }
  }

  /** What it found of those that it hears of for the first time in this start. */
  #fresh(keys: readonly string[]) {
    const fresh = keys.filter((key) => !this.#reported.has(key));
    for (const key of fresh) this.#reported.add(key);
    return fresh.map((key) => this.#report(key));
  }

  #report(key: string) {
    const { topicId = '', partition } = this.assignments.get(key) ?? {};
    const found = this.found.get(key);
    return {
      topicId,
      partition: partition?.index ?? 0,
      leaderEpoch: found?.leaderEpoch ?? partition?.leaderEpoch ?? 0,
      lastEpoch: found?.lastEpoch ?? 0,
      durableEnd: found?.durableEnd ?? 0n,
      state: found?.state ?? ReplicaState.CLEAN,
    };
  }
}
