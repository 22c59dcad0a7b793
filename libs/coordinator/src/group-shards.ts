import {
  type CancelTimer,
  type Clock,
  type Logger,
  type Millis,
  MoldauError,
  type NodeId,
  type Random,
  repeat,
  type Timers,
} from '@moldau/kernel';
import {
  groupShardCodec,
  groupsTopic,
  groupsTopicReplicas,
  type NodeImage,
  type NodeStart,
  type StoreOp,
  spreadShards,
} from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { LostShards } from './lost-shards.ts';
import type { StoreWriter } from './store-writer.ts';
import { isStorage, mayTake, type TopicCreation } from './topic-creation.ts';

/** What could not be done is looked at again, and every change of a node is a reason to look at once. */
const lookEveryMs: Millis = 5_000;

type Ports = { clock: Clock; timers: Timers; random: Random; logger: Logger };
type Parts = { keeper: ImageKeeper; writer: StoreWriter; creation: TopicCreation };

/**
 * Hands the shards of the groups out to the group coordinators that live, and makes the topic that keeps them once there are
 * nodes for all of its copies. Whoever gets a shard gets it under a new epoch, also one that had it in an earlier start. A shard
 * that its owner has lost is given out anew after a pause, which grows with each loss.
 */
export class GroupShards {
  readonly #ports: Ports;
  readonly #defaults: { readonly defaultReplicas: number };
  readonly #parts: Parts;
  readonly #lost = new LostShards();
  /** Of looks at shards that were lost. */
  readonly #dueLooks = new Set<CancelTimer>();
  #cancel: CancelTimer = () => {};
  #ignore: () => void = () => {};
  #looking: Promise<void> | undefined;
  /** Something has changed since the look began. */
  #isDue = false;
  #isStopped = false;

  constructor(ports: Ports, defaults: { readonly defaultReplicas: number }, parts: Parts) {
    this.#ports = ports;
    this.#defaults = defaults;
    this.#parts = parts;
  }

  start(): void {
    this.#ignore = this.#parts.keeper.onChange(({ nodes }) => {
      if (nodes.size > 0) this.#look();
    });
    this.#cancel = repeat(this.#ports.timers, lookEveryMs, () => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    for (const cancel of this.#dueLooks) cancel();
    this.#ignore();
    await this.#looking;
  }

  /** A node says that it can't own a shard any more that it had under this epoch. What is not so, or was said before, changes nothing. */
  lost(node: NodeId, shard: number, epoch: bigint): void {
    const { clock, timers, logger } = this.#ports;
    const had = this.#parts.keeper.image.groupShard(shard);
    if (had === undefined || had.owner.node !== node || had.epoch !== epoch) return;
    const pauseMs = this.#lost.note(shard, epoch, clock.monotonicMs());
    if (pauseMs === undefined || this.#isStopped) return;
    logger.warn('a shard of the groups is lost by its owner: it is given out anew', { shard, node, pauseMs });
    const cancel = timers.after(pauseMs, () => {
      this.#dueLooks.delete(cancel);
      this.#look();
    });
    this.#dueLooks.add(cancel);
  }

  #look(): void {
    this.#isDue = true;
    if (this.#looking !== undefined) return;
    this.#looking = this.#settle()
      .catch((error: unknown) => {
        if (!(error instanceof MoldauError)) throw error;
        this.#ports.logger.warn('could not see to the shards of the groups: trying again', { error });
      })
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #settle(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false;
      const live = this.#parts.keeper.image.nodes().filter((node) => !isStorage(node) && mayTake(node));
      if (live.length === 0) continue;
      await this.#handOut(live);
      await this.#makeTopic();
    }
  }

  async #handOut(live: readonly NodeImage[]): Promise<void> {
    const { keeper, writer } = this.#parts;
    const { image } = keeper;
    const { keys } = image;
    const shards = Array.from({ length: groupsTopic.partitions }, (_, shard) => image.groupShard(shard));
    const nowMs = this.#ports.clock.monotonicMs();
    const moves = spreadShards(
      shards.map((had, shard) => (had && this.#lost.isDue(shard, had.epoch, nowMs) ? undefined : had?.owner)),
      live.map(({ id, epoch }): NodeStart => ({ node: id, start: epoch })),
    );
    if (moves.length === 0) return;
    const owners = live.filter(({ id }) => moves.some(({ to }) => to.node === id));
    const result = await writer.commit({
      compares: [
        ...moves.map(({ shard }) => ({ key: keys.groupShard(shard), modRevision: shards[shard]?.epoch ?? 0n })),
        ...owners.map(({ id, epoch }) => ({ key: keys.node(id), modRevision: epoch })),
        ...owners.map(({ id, conditionRevision }) => ({ key: keys.nodeState(id), modRevision: conditionRevision })),
      ],
      ops: (nonce) =>
        moves.map(
          ({ shard, to }): StoreOp => ({
            kind: 'put',
            key: keys.groupShard(shard),
            value: groupShardCodec.encode(to, nonce),
          }),
        ),
    });
    if (result.kind === 'conflict') {
      this.#isDue = true;
      return afterConflict(this.#ports, 'the shards of the groups', 1);
    }
    await keeper.reached(result.revision);
    this.#ports.logger.info('shards of the groups have new owners', { shards: moves.length, epoch: result.revision });
  }

  /** Waits for as many storage nodes as it has copies: it never has fewer. */
  async #makeTopic(): Promise<void> {
    const { keeper, creation } = this.#parts;
    const { image } = keeper;
    const { name, partitions, config } = groupsTopic;
    const replicas = groupsTopicReplicas(this.#defaults.defaultReplicas);
    const storage = image.nodes().filter((node) => isStorage(node) && mayTake(node));
    if (image.topicByName(name) !== undefined || storage.length < replicas) return;
    await creation.create({ name, partitions, replicas, config }, 'internal');
  }
}
