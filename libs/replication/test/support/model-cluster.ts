import { assert, type NodeId, nodeId, offset } from '@moldau/kernel';
import { type FollowerEvent, FollowerMachine, type IsrDecision, LeaderMachine } from '../../src/index.ts';
import type { ModelRecord } from './model-log.ts';
import { type Machines, ModelNode, type Stream, type World } from './model-node.ts';
import { type IsrRequest, ModelStore } from './model-store.ts';
import { nameOf } from './words.ts';

/** A proposal on its way to the store, or its answer on the way back. */
export interface AskedIsr {
  readonly request: IsrRequest;
  readonly from: ModelNode;
  readonly machine: LeaderMachine;
  /** What the store said. `undefined`: it has not got it yet. */
  answer: IsrDecision | undefined;
  /** The leader has stopped waiting for it. */
  isGivenUp: boolean;
}

/**
 * One partition on a few nodes that run the real machines. Whoever drives it says what happens next: nothing happens by
 * itself. After every step it must hold what replication promises.
 */
export class ModelCluster implements World {
  readonly machines: Machines;
  readonly store: ModelStore;
  readonly nodes: readonly ModelNode[];
  /** Streams with messages that may still arrive. */
  streams: Stream[] = [];
  asked: AskedIsr[] = [];
  now = 0;
  /** What was called committed, ever: the oracle's own copy. */
  readonly #committed: (ModelRecord | undefined)[] = [];
  readonly #highWatermarks = new Map<ModelNode, { readonly highWatermark: bigint; readonly resets: number }>();
  /** Agreements of epochs before this one say nothing of committed records. */
  #uncleanEpoch = 0;
  #session = 0;
  #said: string[] = [];

  constructor(size: number, minIsr: number, machines: Machines = { LeaderMachine, FollowerMachine }) {
    this.machines = machines;
    const ids = Array.from({ length: size }, (_, i) => nodeId(i + 1));
    this.store = new ModelStore(ids, minIsr);
    this.nodes = ids.map((id) => new ModelNode(id, this.store.epochOf(id), this));
    for (const node of this.nodes) node.hear(this.store.state);
  }

  /** How far anything was ever called committed. */
  get committedEnd(): bigint {
    return BigInt(this.#committed.length);
  }

  get leaders(): readonly ModelNode[] {
    return this.nodes.filter(({ isUp, leading }) => isUp && leading !== undefined);
  }

  /** What was said since the last call. */
  said(): readonly string[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  say(line: string): void {
    this.#said.push(line);
  }

  newSession(): number {
    this.#session += 1;
    return this.#session;
  }

  open(follower: ModelNode, leader: NodeId): Stream {
    const target = this.#node(leader);
    const number = (this.streams.at(-1)?.number ?? 0) + 1;
    const stream: Stream = {
      number,
      follower,
      leader: target,
      leaderStart: target.start,
      toLeader: [],
      toFollower: [],
    };
    this.streams.push(stream);
    return stream;
  }

  ask(from: ModelNode, machine: LeaderMachine, request: IsrRequest): void {
    this.asked.push({ from, machine, request, answer: undefined, isGivenUp: false });
  }

  committed(node: ModelNode): void {
    const { log } = node;
    for (let place = log.logStart; place < log.highWatermark; place = offset(place + 1n)) {
      const known = this.#committed[Number(place)];
      const here = log.at(place);
      if (known === undefined) this.#committed[Number(place)] = here;
      else
        assert(
          same(known, here),
          `I9: ${node.name} calls ${here?.value} committed at ${place}, where ${known.value} was`,
        );
    }
  }

  startsToLead(node: ModelNode): void {
    if (this.store.state.lastUncleanEpoch !== node.leading?.epoch || this.#uncleanEpoch === node.leading.epoch) return;
    // What the leader lacks is given up, and what else it holds there may be committed.
    this.#uncleanEpoch = node.leading.epoch;
    const parts = this.#committed.findIndex((one, i) => one !== undefined && !same(one, node.log.at(BigInt(i))));
    if (parts >= 0) this.#committed.length = parts;
  }

  resigned(node: ModelNode, machine: LeaderMachine): void {
    const { leader, leaderEpoch } = this.store.state;
    if (leader === node.id && leaderEpoch === machine.epoch) this.store.depose();
  }

  /** The oldest message of a stream arrives. */
  deliver(stream: Stream, direction: 'toLeader' | 'toFollower'): void {
    if (direction === 'toLeader') {
      const message = stream.toLeader.shift();
      if (message !== undefined) stream.leader.listen(stream, message);
    } else {
      const message: FollowerEvent | undefined = stream.toFollower.shift();
      if (message !== undefined) stream.follower.receive(stream, message);
    }
    this.#sweep();
  }

  /** A follower's stream breaks. Of what it has sent, `kept` messages arrive all the same; with `isHalfOpen` its end does not. */
  break(follower: ModelNode, kept: number, isHalfOpen: boolean): void {
    const { stream } = follower;
    if (stream === undefined) return;
    stream.toLeader.splice(kept);
    follower.disconnect();
    if (isHalfOpen) stream.toLeader.splice(-1);
    this.#sweep();
  }

  /** The store takes a proposal. */
  take(asked: AskedIsr): void {
    if (asked.answer !== undefined) return;
    asked.answer = this.store.alter(asked.request);
    this.say(`store: ${asked.request.isr.map(({ node }) => nameOf(node)).join('')} is ${asked.answer.kind}`);
    this.#sweep();
  }

  answer(asked: AskedIsr): void {
    if (asked.answer === undefined || asked.isGivenUp) return;
    this.#tell(asked, asked.answer);
  }

  /** The leader waits no longer. The store may still take it. */
  giveUp(asked: AskedIsr): void {
    if (!asked.isGivenUp) this.#tell(asked, { kind: 'unknown' });
  }

  start(node: ModelNode): void {
    if (node.isUp) return;
    node.run(this.store.register(node.id));
    this.report(node);
  }

  /** The node says what it has, and is fenced no more. */
  report(node: ModelNode): void {
    const { copy, log } = node;
    if (node.isUp) this.store.report(node.id, { copy, lastEpoch: log.lastEpoch, durableEnd: log.durableEnd });
  }

  tick(ms: number): void {
    this.now += ms;
    // Silence tells a follower that the other end is gone.
    for (const { stream } of this.nodes) {
      if (stream === undefined || (stream.leader.isUp && stream.leader.start === stream.leaderStart)) continue;
      stream.follower.disconnect();
    }
    this.#sweep();
    for (const node of this.nodes) node.tick();
  }

  /** Everything that is on its way arrives, again and again, until nothing is. Without time passing. */
  settle(except: ReadonlySet<ModelNode> = new Set(), withProposals = true): void {
    const nodes = this.nodes.filter((node) => !except.has(node));
    for (let rounds = 0; rounds < 200; rounds += 1) {
      let isQuiet = true;
      for (const stream of [...this.streams]) {
        if (except.has(stream.leader) || except.has(stream.follower)) continue;
        for (const direction of ['toLeader', 'toFollower'] as const) {
          for (; stream[direction].length > 0; isQuiet = false) this.deliver(stream, direction);
        }
      }
      for (const asked of withProposals ? [...this.asked] : []) {
        if (except.has(asked.from)) continue;
        isQuiet = false;
        this.take(asked);
        this.answer(asked);
      }
      for (const node of nodes) {
        const before = [node.log.durableEnd, node.leading, node.following?.state, node.cut];
        node.hear(this.store.state);
        node.carryOutCut();
        node.sync();
        node.connect();
        const after = [node.log.durableEnd, node.leading, node.following?.state, node.cut];
        if (after.some((one, i) => one !== before[i])) isQuiet = false;
      }
      if (isQuiet) return;
    }
  }

  /** What must hold after every step; throws what does not. */
  check(): void {
    for (const node of this.nodes) this.#checkHighWatermark(node);
    this.#checkLeader();
    this.#checkMembers();
    const up = this.nodes.filter((node) => this.#isAgreed(node));
    for (const [i, one] of up.entries()) for (const other of up.slice(i + 1)) checkEqual(one, other);
  }

  #checkHighWatermark(node: ModelNode): void {
    const before = this.#highWatermarks.get(node);
    const { resets, log } = node;
    const { highWatermark } = log;
    // A restarted node begins with what its checkpoint says, a new copy with nothing; unclean elections take back.
    if (!node.isUp) return void this.#highWatermarks.delete(node);
    assert(
      before === undefined ||
        before.resets < resets ||
        before.highWatermark <= highWatermark ||
        this.store.state.lastUncleanEpoch > 0,
      `I6: the high watermark of ${node.name} goes back from ${before?.highWatermark} to ${highWatermark}`,
    );
    this.#highWatermarks.set(node, { highWatermark, resets });
  }

  #checkLeader(): void {
    const { leader: id, leaderEpoch, leaderNodeEpoch, isr, elr, minIsr } = this.store.state;
    const leader = this.nodes.find((node) => node.id === id && node.isUp && node.start === leaderNodeEpoch);
    const machine = leader?.leading;
    if (leader === undefined || machine?.epoch !== leaderEpoch) return;
    for (const [i, record] of this.#committed.entries()) {
      if (BigInt(i) < leader.log.logStart) continue;
      const here = leader.log.at(BigInt(i));
      assert(
        same(record, here),
        `I9: the leader ${leader.name} has ${here?.value} at ${i}, where ${record?.value} is committed`,
      );
    }
    if (isr.length < minIsr) return;
    for (const node of [...isr.map((member) => member.node), ...elr]) {
      assert(machine.maximalIsr.has(node), `I7: ${nameOf(node)} is in sync, and ${leader.name} does not know`);
    }
  }

  #checkMembers(): void {
    const { isr, elr, lastUncleanEpoch } = this.store.state;
    if (lastUncleanEpoch > this.#uncleanEpoch) return;
    for (const id of [...isr.map(({ node }) => node), ...elr]) {
      const node = this.#node(id);
      if (!node.isUp || node.copy !== 'whole') continue;
      assert(
        node.log.writtenEnd >= this.committedEnd,
        `I8: ${node.name} may lead, and ends before ${this.committedEnd}`,
      );
    }
  }

  /** A copy that slept through an unclean election may hold what was given up there. */
  #isAgreed({ isUp, agreedEpoch, copy }: ModelNode): boolean {
    return isUp && copy === 'whole' && agreedEpoch >= this.store.state.lastUncleanEpoch;
  }

  #tell(asked: AskedIsr, decision: IsrDecision): void {
    asked.isGivenUp = true;
    asked.from.decided(asked.machine, asked.request.partitionEpoch, decision);
    this.#sweep();
  }

  #sweep(): void {
    this.streams = this.streams.filter((stream) => stream.follower.stream === stream || stream.toLeader.length > 0);
    this.asked = this.asked.filter(({ answer, isGivenUp }) => answer === undefined || !isGivenUp);
  }

  #node(id: NodeId): ModelNode {
    const node = this.nodes.find((one) => one.id === id);
    assert(node !== undefined, 'a node of the cluster');
    return node;
  }
}

const same = (a: ModelRecord | undefined, b: ModelRecord | undefined): boolean =>
  a?.value === b?.value && a?.epoch === b?.epoch;

/** I10. */
function checkEqual(one: ModelNode, other: ModelNode): void {
  const [a, b] = [one.log, other.log];
  const from = a.logStart > b.logStart ? a.logStart : b.logStart;
  const to = a.highWatermark < b.highWatermark ? a.highWatermark : b.highWatermark;
  for (let place = from; place < to; place = offset(place + 1n)) {
    assert(
      same(a.at(place), b.at(place)),
      `I10: ${one.name} and ${other.name} differ at ${place}, below what both call committed`,
    );
  }
}
