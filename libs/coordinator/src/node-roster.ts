import type { CancelTimer, Clock, Logger, Millis, NodeEpoch, NodeId, PartitionKey, Timers } from '@moldau/kernel';
import type { Finding, ReplicaReport } from '@moldau/metadata';
import type { ReplicaReports } from './elections.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { SilentNodes } from './silent-nodes.ts';

/** One open session of a node. */
export interface OpenSession {
  readonly node: NodeId;
  readonly epoch: NodeEpoch;
  /** It hands its partitions over, hears who leads them now, and ends the stream by itself. */
  readonly isLeaving: boolean;
  /** As it says itself. */
  readonly isDiskFull: boolean;
  /** Ends the stream: the node may come back. */
  close(why: string): void;
}

type Reported = {
  readonly epoch: NodeEpoch;
  readonly reports: Map<PartitionKey, { readonly report: ReplicaReport; readonly firstAt: Millis }>;
  /** When it came back after it was fenced. */
  heardAt: Millis;
};
type Watched = { heardAt: Millis; cancel: CancelTimer };

/** A timer this late means that this process stood still, not that the nodes did. */
const stallMs = 2_000;
const retryMs = 500;
/** Nodes that are there open a session with a new coordinator within this; who has not is looked for. */
const greetedMs = 1_000;
/** A process that is dying may still take connections for a moment: its address is tried again after this. */
const lookAgainMs = 200;

/**
 * Who is there, in memory only: the store sees a node fenced or active, never a heartbeat. Every active node is watched,
 * from the start of this term or its activation on: who is not heard for the session timeout is fenced.
 */
export class NodeRoster implements ReplicaReports {
  readonly #ports: { clock: Clock; timers: Timers; logger: Logger };
  readonly #timeoutMs: Millis;
  readonly #keeper: ImageKeeper;
  readonly #silentNodes: SilentNodes;
  readonly #sessions = new Map<NodeId, OpenSession>();
  /** Of the newest start of each node: what it has said once holds for all its sessions. */
  readonly #reported = new Map<NodeId, Reported>();
  readonly #watched = new Map<NodeId, Watched>();
  /** Who is looked for, and when next. */
  readonly #looks = new Map<NodeId, CancelTimer>();
  #stopped = false;
  #onReport: (node: NodeId, partition: PartitionKey) => void = () => {};

  constructor(
    ports: { clock: Clock; timers: Timers; logger: Logger },
    timeoutMs: Millis,
    keeper: ImageKeeper,
    silentNodes: SilentNodes,
  ) {
    this.#ports = ports;
    this.#timeoutMs = timeoutMs;
    this.#keeper = keeper;
    this.#silentNodes = silentNodes;
  }

  start(): void {
    for (const { id } of this.#keeper.image.nodes()) this.#observe(id);
    this.#keeper.onChange(({ nodes }) => {
      for (const id of nodes) this.#observe(id);
    });
    for (const id of this.#watched.keys()) this.#lookFor(id, greetedMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#looks.values()) cancel();
    for (const { cancel } of this.#watched.values()) cancel();
    this.#watched.clear();
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) session.close('the coordinator is not active any more');
  }

  /** A node has one session: an older one ends. */
  open(session: OpenSession): void {
    this.#sessions.get(session.node)?.close('the node has opened another session');
    this.#sessions.set(session.node, session);
    const before = this.#reported.get(session.node);
    if (before?.epoch === session.epoch) {
      // Who comes back is heard now, whatever it has said before it was fenced: the time for others to come begins anew.
      if (this.#isFenced(session.node)) before.heardAt = this.#ports.clock.monotonicMs();
    } else {
      this.#reported.set(session.node, { epoch: session.epoch, reports: new Map(), heardAt: 0 });
    }
    this.heard(session.node);
  }

  closed(session: OpenSession): void {
    const { node } = session;
    if (this.#stopped || this.#sessions.get(node) !== session) return;
    this.#sessions.delete(node);
    this.#looks.get(node)?.();
    void this.#look(node);
  }

  isDiskFull(node: NodeId): boolean {
    return this.#sessions.get(node)?.isDiskFull ?? false;
  }

  findings(): Finding[] {
    const full = [...this.#sessions.keys()].filter((node) => this.isDiskFull(node)).sort((a, b) => a - b);
    return full.map((node) => ({
      severity: 'warning',
      message: `the disk of node ${node} is full: what others have a copy of is led by them, and the rest takes no appends`,
    }));
  }

  heard(node: NodeId): void {
    const watched = this.#watched.get(node);
    if (watched !== undefined) watched.heardAt = this.#ports.clock.monotonicMs();
  }

  report({ node, epoch }: OpenSession, partition: PartitionKey, report: ReplicaReport): void {
    const reported = this.#reported.get(node);
    if (reported?.epoch !== epoch) return;
    const firstAt = reported.reports.get(partition)?.firstAt ?? this.#ports.clock.monotonicMs();
    reported.reports.set(partition, { report, firstAt });
    this.#onReport(node, partition);
  }

  onReport(listener: (node: NodeId, partition: PartitionKey) => void): void {
    this.#onReport = listener;
  }

  reportOf(node: NodeId, partition: PartitionKey): ReplicaReport | undefined {
    return this.#found(node, partition)?.report;
  }

  /** Only of who is here: what a start said that is gone was long ago, and nobody has to wait for others since. */
  reportedAt(node: NodeId, partition: PartitionKey): Millis | undefined {
    const found = this.#isFenced(node) ? undefined : this.#found(node, partition);
    return found && Math.max(found.firstAt, this.#reported.get(node)?.heardAt ?? 0);
  }

  #isFenced(node: NodeId): boolean {
    return this.#keeper.image.node(node)?.condition.fenced !== false;
  }

  settle(node: NodeId, partition: PartitionKey): void {
    const found = this.#found(node, partition);
    if (found === undefined) return;
    this.#reported.get(node)?.reports.set(partition, { ...found, report: { ...found.report, state: 'clean' } });
  }

  #found(node: NodeId, partition: PartitionKey) {
    const reported = this.#reported.get(node);
    return reported?.epoch === this.#keeper.image.node(node)?.epoch ? reported?.reports.get(partition) : undefined;
  }

  /** As long as there is no session of it, and it is not fenced: one whose address refuses connections is, at once. */
  #lookFor(node: NodeId, inMs: Millis): void {
    this.#looks.get(node)?.();
    this.#looks.set(
      node,
      this.#ports.timers.after(inMs, () => void this.#look(node)),
    );
  }

  async #look(node: NodeId): Promise<void> {
    const isMissing = (): boolean => !this.#stopped && this.#watched.has(node) && !this.#sessions.has(node);
    if (!isMissing()) return;
    await this.#silentNodes
      .lost(node, () => this.#sessions.has(node))
      .catch((error: unknown) => this.#ports.logger.info('a node that is gone waits for its timeout', { node, error }));
    if (isMissing()) this.#lookFor(node, lookAgainMs);
  }

  #observe(id: NodeId): void {
    const node = this.#keeper.image.node(id);
    const active = node !== undefined && !node.condition.fenced;
    const watched = this.#watched.get(id);
    if (active && watched === undefined) {
      const heardAt = this.#ports.clock.monotonicMs();
      this.#watched.set(id, { heardAt, cancel: () => {} });
      this.#arm(id, this.#timeoutMs);
    }
    const session = this.#sessions.get(id);
    if (!active && watched !== undefined) {
      watched.cancel();
      this.#watched.delete(id);
      if (session?.isLeaving !== true) session?.close('it was fenced');
    }
    if (session !== undefined && session.epoch !== node?.epoch) session.close('a newer start has registered');
  }

  #arm(id: NodeId, inMs: Millis): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const dueAt = this.#ports.clock.monotonicMs() + inMs;
    watched.cancel = this.#ports.timers.after(inMs, () => this.#expire(id, dueAt));
  }

  #expire(id: NodeId, dueAt: Millis): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const now = this.#ports.clock.monotonicMs();
    if (now - dueAt > stallMs) watched.heardAt = now;
    const leftMs = watched.heardAt + this.#timeoutMs - now;
    this.#arm(id, leftMs > 0 ? leftMs : retryMs);
    if (leftMs > 0) return;
    this.#silentNodes.judge(this.#silent(now), (node) => this.heard(node));
  }

  #silent(now: Millis): NodeId[] {
    return [...this.#watched].flatMap(([id, { heardAt }]) => (now - heardAt >= this.#timeoutMs ? [id] : []));
  }
}
