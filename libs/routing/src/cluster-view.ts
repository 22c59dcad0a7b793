import { assert, Gate, hasReason, jittered, type Logger, type Millis, MoldauError, sleep } from '@moldau/kernel';
import { ClusterService, type WatchMetadataResponse } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Node, Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { RoutingPorts } from './bootstrap.ts';
import { ClusterState } from './cluster-state.ts';
import type { Leader } from './metadata-cache.ts';
import { MetadataDraft } from './metadata-draft.ts';
import type { Changed, WatchedMetadata } from './metadata-source.ts';

/** What a view needs of the world. */
export interface ClusterViewPorts extends RoutingPorts {
  readonly logger: Logger;
}

/** Whoever serves a watch speaks every 5 s: silent for three times as long, the stream is half open, whatever TCP says. */
const silentAfterMs = 15_000;
const firstPauseMs = 50;
const lastPauseMs = 2_000;

/**
 * What a process knows of the whole cluster, kept up to date by a watch at one of several addresses. Changes are applied
 * whole, an older state never replaces a newer one, and the last state stays for as long as nobody answers.
 */
export class ClusterView implements WatchedMetadata<Node, Topic> {
  readonly #addresses: readonly string[];
  readonly #ports: ClusterViewPorts;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<(changed: Changed) => void>();
  readonly #moved = new Gate();
  #running: Promise<void> = Promise.resolve();
  #state = ClusterState.empty();
  #clusterId = '';
  #version = -1n;
  #pauseMs = firstPauseMs;
  /** Whoever is asked now has told a state. */
  #hasTold = false;

  /** `addresses`: host:port of whoever serves `WatchMetadata`, at least one. */
  constructor(addresses: readonly string[], ports: ClusterViewPorts) {
    assert(addresses.length > 0, 'a view has someone to ask');
    this.#addresses = addresses;
    this.#ports = ports;
  }

  /** Follows the cluster until `stop`. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MoldauError('NOT_SERVING', 'this process is leaving'));
    this.#moved.open();
    await this.#running;
  }

  /** False until a first state has come. */
  get isKnown(): boolean {
    return this.#version >= 0n;
  }

  /** Empty until it is known. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** Grows with every change. -1: nothing is known. */
  get version(): bigint {
    return this.#version;
  }

  /** By id. */
  nodes(): Node[] {
    return this.#state.nodes;
  }

  node(id: number): Node | undefined {
    return this.#state.node(id);
  }

  topics(): Iterable<Topic> {
    return this.#state.topics;
  }

  topic(id: string): Topic | undefined {
    return this.#state.topic(id);
  }

  topicByName(name: string): Topic | undefined {
    return this.#state.topicByName(name);
  }

  nameOf(topic: Topic): string {
    return topic.name;
  }

  partitionCount(topic: Topic): number {
    return topic.partitions.length;
  }

  /** Whether a topic of this id was there, and is gone. */
  wasRemoved(id: string): boolean {
    return this.#state.wasRemoved(id);
  }

  /** Who leads a partition, and how to reach it. `undefined`: nobody, or nobody knows where. */
  leader(topic: Topic, index: number): Leader | undefined {
    const partition = topic.partitions[index];
    const node = partition?.leader === undefined ? undefined : this.#state.node(partition.leader);
    if (partition === undefined || node === undefined) return undefined;
    return { node: node.id, address: node.address, epoch: partition.leaderEpoch };
  }

  /** Calls back after every change, until the returned function is called. The listener does not throw. */
  onChange(listener: (changed: Changed) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the view has this version or a newer one: true; or after `timeoutMs`, or with the signal: false. */
  async reached(version: bigint, timeoutMs: Millis, signal?: AbortSignal): Promise<boolean> {
    if (this.#version >= version) return true;
    let isOver = false;
    const end = (): void => {
      isOver = true;
      this.#moved.open();
    };
    const cancel = this.#ports.timers.after(timeoutMs, end);
    signal?.addEventListener('abort', end, { once: true });
    while (this.#version < version && !isOver && !signal?.aborted && !this.#stopping.signal.aborted) {
      await this.#moved.wait();
    }
    cancel();
    signal?.removeEventListener('abort', end);
    return this.#version >= version;
  }

  async #run(): Promise<void> {
    const { random, timers } = this.#ports;
    for (let asked = 0; !this.#stopping.signal.aborted; asked += 1) {
      const address = this.#addresses[asked % this.#addresses.length] ?? '';
      try {
        await this.#follow(address);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#logFailed(address, error);
      }
      await sleep(timers, jittered(random, this.#pauseMs), this.#stopping.signal).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2, lastPauseMs);
    }
  }

  /** One that was never heard may be the wrong one: whoever set it has to know, and what it is instead stands in the error. */
  #logFailed(address: string, error: unknown): void {
    const { logger } = this.#ports;
    if (this.#hasTold) logger.info('no metadata from this address any more: asking the next one', { address, error });
    else if (hasReason(error, 'NOT_SERVING'))
      logger.info('this address does not serve metadata now: asking the next one', { address, error });
    else logger.warn('no metadata from this address, so far: asking the next one', { address, error });
  }

  /** Takes what one address tells until its stream breaks, ends or falls silent. */
  async #follow(address: string): Promise<void> {
    const { connections, timers } = this.#ports;
    const silence = new AbortController();
    const giveUp = (): void => silence.abort(silent(address));
    const signal = AbortSignal.any([this.#stopping.signal, silence.signal]);
    const channel = connections.to(address, 'control');
    const draft = new MetadataDraft();
    this.#hasTold = false;
    let cancel = timers.after(silentAfterMs, giveUp);
    try {
      const messages = channel.serverStream(ClusterService.method.watchMetadata, {}, { signal, forwarded: true });
      for await (const message of messages) {
        cancel();
        cancel = timers.after(silentAfterMs, giveUp);
        draft.add(message);
        if (message.complete) this.#adopt(message, draft);
      }
    } finally {
      cancel();
    }
  }

  #adopt({ clusterId, version, snapshot }: WatchMetadataResponse, draft: MetadataDraft): void {
    const change = draft.take();
    this.#pauseMs = firstPauseMs;
    this.#hasTold = true;
    const isOther = this.isKnown && clusterId !== this.#clusterId;
    if (isOther) this.#ports.logger.warn('another cluster answers there now', { was: this.#clusterId, is: clusterId });
    // Someone behind us tells what we have. Its later changes hold all that is newer, so nothing is missed by waiting.
    if (!isOther && version <= this.#version) return;
    if (snapshot) this.#state = (isOther ? ClusterState.empty() : this.#state).replacedBy(change);
    else this.#state.apply(change);
    this.#clusterId = clusterId;
    this.#version = version;
    const changed: Changed = snapshot
      ? 'anything'
      : {
          nodes: [...change.nodes.map(({ id }) => id), ...change.removedNodes],
          topics: [...change.topics.map(({ id }) => id), ...change.removedTopics],
        };
    for (const listener of this.#listeners) listener(changed);
    this.#moved.open();
  }
}

const silent = (address: string): MoldauError =>
  new MoldauError('UNREACHABLE', `${address} has not spoken for ${silentAfterMs} ms`, { address });
