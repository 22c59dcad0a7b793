import { assert, type LeaderEpoch, leaderEpoch, type NodeEpoch, type NodeId, nodeEpoch } from '@moldau/kernel';
import type { IsrMember } from '@moldau/metadata';
import type { CommittedState, IsrDecision } from '../../src/index.ts';
import { nameOf } from './words.ts';

/** What the store says of the partition. */
export interface StoredState extends CommittedState {
  readonly leader: NodeId | undefined;
  readonly leaderNodeEpoch: NodeEpoch;
  readonly leaderEpoch: LeaderEpoch;
  readonly lastUncleanEpoch: LeaderEpoch;
}

/** What a node has found of its copy when it started. */
export interface Report {
  readonly copy: 'whole' | 'doubtful' | 'lost';
  readonly lastEpoch: LeaderEpoch;
  readonly durableEnd: bigint;
}

interface Registration {
  readonly epoch: NodeEpoch;
  readonly isFenced: boolean;
  readonly report: Report | undefined;
}

/** A leader asks for other in-sync replicas. */
export interface IsrRequest {
  readonly leader: IsrMember;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: bigint;
  readonly isr: readonly IsrMember[];
  readonly unfit: readonly NodeId[];
}

/** Store and coordinator in one: each change is a compare-and-swap, and makes a new revision. */
export class ModelStore {
  #state: StoredState;
  #revision = 0n;
  readonly #nodes = new Map<NodeId, Registration>();

  constructor(replicas: readonly NodeId[], minIsr: number) {
    const isr = replicas.map((node) => ({ node, epoch: this.register(node) }));
    for (const node of replicas) this.#set(node, { isFenced: false });
    const [first] = isr;
    assert(first !== undefined, 'a partition has a replica');
    this.#state = {
      partitionEpoch: this.#next(),
      replicas,
      isr,
      elr: [],
      minIsr,
      leader: first.node,
      leaderNodeEpoch: first.epoch,
      leaderEpoch: leaderEpoch(1),
      lastUncleanEpoch: leaderEpoch(0),
    };
  }

  get state(): StoredState {
    return this.#state;
  }

  epochOf(node: NodeId): NodeEpoch {
    return this.#nodes.get(node)?.epoch ?? nodeEpoch(0n);
  }

  isFenced(node: NodeId): boolean {
    return this.#nodes.get(node)?.isFenced !== false;
  }

  /** A new start of the node: the one before leads nothing when this returns. It is fenced until it reports. */
  register(node: NodeId): NodeEpoch {
    const isFirst = !this.#nodes.has(node);
    if (!isFirst) this.fence(node);
    const epoch = nodeEpoch(this.#next());
    this.#nodes.set(node, { epoch, isFenced: true, report: undefined });
    return epoch;
  }

  report(node: NodeId, report: Report): void {
    this.#set(node, { isFenced: false, report });
    this.#settle();
  }

  fence(node: NodeId): void {
    this.#set(node, { isFenced: true });
    this.#settle();
  }

  /** Somebody else leads, if anybody can. */
  depose(): void {
    const { isr, leader } = this.#state;
    this.#lead(isr.find(({ node }) => node !== leader) ?? isr[0]);
  }

  /** An operator gives up what the node lacks. */
  electUnclean(node: NodeId): void {
    this.#state = { ...this.#state, isr: [{ node, epoch: this.epochOf(node) }], elr: [] };
    this.#lead(this.#state.isr[0]);
    this.#put({ lastUncleanEpoch: this.#state.leaderEpoch });
  }

  reassign(replicas: readonly NodeId[]): void {
    const isr = this.#state.isr.filter(({ node }) => replicas.includes(node));
    this.#put({ replicas, isr, elr: this.#state.elr.filter((node) => replicas.includes(node)) });
  }

  alter({ leader, leaderEpoch: epoch, partitionEpoch, isr, unfit }: IsrRequest): IsrDecision {
    const state = this.#state;
    if (epoch !== state.leaderEpoch || leader.epoch !== state.leaderNodeEpoch) return { kind: 'fenced' };
    if (partitionEpoch !== state.partitionEpoch) return { kind: 'stale' };
    const mayBe = ({ node, epoch: start }: IsrMember): boolean =>
      state.replicas.includes(node) && !this.isFenced(node) && this.epochOf(node) === start;
    if (!isr.every(mayBe)) return { kind: 'ineligible' };
    const dropped = state.isr.map(({ node }) => node);
    const elr = [...new Set([...state.elr, ...dropped])].filter(
      (node) => !unfit.includes(node) && !isr.some((member) => member.node === node),
    );
    this.#put({ isr, elr: isr.length >= state.minIsr ? [] : elr });
    return { kind: 'committed', partitionEpoch: this.#state.partitionEpoch };
  }

  toString(): string {
    const { leader, leaderEpoch: epoch, isr, elr } = this.#state;
    const names = (nodes: readonly NodeId[]): string => nodes.map(nameOf).join('') || '-';
    const who = leader === undefined ? 'nobody leads' : `${nameOf(leader)} leads ${epoch}`;
    return `${who}, isr ${names(isr.map(({ node }) => node))}, elr ${names(elr)}`;
  }

  /** Who is fenced, or started anew, leaves the ISR; while it is too small, who left stays eligible. A leader that left is replaced. */
  #settle(): void {
    const { isr, elr, minIsr, leader, leaderNodeEpoch } = this.#state;
    const stays = isr.filter(({ node, epoch }) => !this.isFenced(node) && this.epochOf(node) === epoch);
    const left = isr.filter((member) => !stays.includes(member)).map(({ node }) => node);
    if (left.length > 0) this.#put({ isr: stays, elr: stays.length >= minIsr ? [] : [...new Set([...elr, ...left])] });
    const leads = stays.some(({ node, epoch }) => node === leader && epoch === leaderNodeEpoch);
    if (!leads) this.#lead(stays[0] ?? this.#eligible());
  }

  #lead(next: IsrMember | undefined): void {
    const { isr, elr, minIsr, leader, leaderEpoch: epoch } = this.#state;
    if (next === undefined) {
      if (leader !== undefined) this.#put({ leader: undefined, leaderNodeEpoch: nodeEpoch(0n) });
      return;
    }
    const members = isr.some(({ node }) => node === next.node) ? isr : [next];
    const rest = elr.filter((node) => node !== next.node && this.#nodes.get(node)?.report?.copy !== 'lost');
    this.#put({
      isr: members,
      elr: members.length >= minIsr ? [] : rest,
      leader: next.node,
      leaderNodeEpoch: next.epoch,
      leaderEpoch: leaderEpoch(epoch + 1),
    });
  }

  /** Of the eligible ones that have all that they had: the longest. */
  #eligible(): IsrMember | undefined {
    const heard = this.#state.elr.flatMap((node) => {
      const { epoch, isFenced, report } = this.#nodes.get(node) ?? { isFenced: true };
      return epoch === undefined || isFenced || report?.copy !== 'whole' ? [] : [{ node, epoch, report }];
    });
    const longest = (a: Report, b: Report): number => b.lastEpoch - a.lastEpoch || Number(b.durableEnd - a.durableEnd);
    const [best] = heard.sort((a, b) => longest(a.report, b.report));
    return best === undefined ? undefined : { node: best.node, epoch: best.epoch };
  }

  #put(change: Partial<StoredState>): void {
    const next = { ...this.#state, ...change, partitionEpoch: this.#next() };
    const { isr, elr, minIsr } = next;
    assert(!isr.some(({ node }) => elr.includes(node)), 'I12: ISR and ELR have no member in common');
    assert(isr.length < minIsr || elr.length === 0, 'I12: the ELR is empty while the ISR is large enough');
    this.#state = next;
  }

  #set(node: NodeId, change: Partial<Registration>): void {
    const before = this.#nodes.get(node);
    if (before !== undefined) this.#nodes.set(node, { ...before, ...change });
  }

  #next(): bigint {
    this.#revision += 1n;
    return this.#revision;
  }
}
