import type { NodeEpoch, NodeId } from '@moldau/kernel';

/** A replica that is in sync, and the start of its node under which it is. */
export interface IsrMember {
  readonly node: NodeId;
  readonly epoch: NodeEpoch;
}

/** What the store says of a partition, as far as its leader needs it. */
export interface CommittedState {
  /** The revision of this state: newer states have higher ones. */
  readonly partitionEpoch: bigint;
  readonly replicas: readonly NodeId[];
  readonly isr: readonly IsrMember[];
  readonly elr: readonly NodeId[];
  readonly minIsr: number;
}

/**
 * The committed ISR and every proposal that may still be committed on its revision. A proposal is out of it only when
 * the store has answered for certain that it is not there, or a newer state is known: a request that was delayed on its
 * way may be carried out at any time until then, and whoever it names may be elected (I7).
 */
export class MaximalIsr {
  #committed: CommittedState;
  /** Sent, and not decided. */
  #inFlight: readonly IsrMember[] | undefined;
  /** Sent on this revision, and without an answer that decides. */
  #undecided: (readonly IsrMember[])[] = [];

  constructor(committed: CommittedState) {
    this.#committed = committed;
  }

  get committed(): CommittedState {
    return this.#committed;
  }

  get isInFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** A proposal without an answer may still be committed: another one on this revision has to win first. */
  get isDoubtful(): boolean {
    return this.#undecided.length > 0;
  }

  /** Every node that may be in sync. */
  nodes(): Set<NodeId> {
    const sets = [this.#committed.isr, this.#inFlight ?? [], ...this.#undecided];
    return new Set(sets.flatMap((members) => members.map(({ node }) => node)));
  }

  propose(isr: readonly IsrMember[]): void {
    this.#inFlight = isr;
  }

  /** It was stored, and made this revision. */
  commit(partitionEpoch: bigint, unfit: ReadonlySet<NodeId>): void {
    const isr = this.#inFlight;
    this.#inFlight = undefined;
    if (isr === undefined || partitionEpoch <= this.#committed.partitionEpoch) return;
    const dropped = this.#committed.isr.map(({ node }) => node);
    const eligible = [...this.#committed.elr, ...dropped].filter(
      (node) => !unfit.has(node) && !isr.some((member) => member.node === node),
    );
    const elr = isr.length >= this.#committed.minIsr ? [] : [...new Set(eligible)];
    this.#committed = { ...this.#committed, partitionEpoch, isr, elr };
    this.#undecided = [];
  }

  /** It was not stored, and never will be. */
  revert(): void {
    this.#inFlight = undefined;
  }

  /** Nobody knows whether it is stored. */
  doubt(): void {
    if (this.#inFlight !== undefined) this.#undecided.push(this.#inFlight);
    this.#inFlight = undefined;
  }

  /** A state from the store. False: it is not newer than the one that is known. */
  adopt(state: CommittedState): boolean {
    const { partitionEpoch } = this.#committed;
    if (state.partitionEpoch < partitionEpoch) return false;
    const isNewer = state.partitionEpoch > partitionEpoch;
    this.#committed = state;
    if (isNewer) {
      this.#inFlight = undefined;
      this.#undecided = [];
    }
    return isNewer;
  }
}
