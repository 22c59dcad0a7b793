import { assert, type NodeId } from '@moldau/kernel';
import type { IsrMember } from '@moldau/metadata';
import { withIsr } from '@moldau/metadata/in-sync';

/** What the store says of a partition, as far as its leader needs it. */
export interface CommittedState {
  /** The revision of this state: newer states have higher ones. */
  readonly partitionEpoch: bigint;
  readonly replicas: readonly NodeId[];
  readonly isr: readonly IsrMember[];
  readonly elr: readonly NodeId[];
  readonly minIsr: number;
}

/** What is asked of the store. */
interface IsrProposal {
  readonly isr: readonly IsrMember[];
  /** Have lost data: with this they leave the ELR, too. */
  readonly unfit: ReadonlySet<NodeId>;
}

/**
 * The committed ISR and every proposal that may still be committed on its revision. A proposal is out of it only when
 * the store has answered for certain that it is not there, or a newer state is known: a request that was delayed on its
 * way may be carried out at any time until then, and whoever it names may be elected (I7).
 */
export class MaximalIsr {
  #committed: CommittedState;
  /** Sent, and not decided. */
  #inFlight: IsrProposal | undefined;
  /** Whom proposals on this revision name that had no answer that decides. `undefined`: there are no such proposals. */
  #undecided: ReadonlySet<NodeId> | undefined;
  /** The union of all three. */
  #nodes: ReadonlySet<NodeId>;

  constructor(committed: CommittedState) {
    this.#committed = committed;
    this.#nodes = this.#union();
  }

  get committed(): CommittedState {
    return this.#committed;
  }

  /** The ISR that is asked for now. */
  get proposed(): readonly IsrMember[] | undefined {
    return this.#inFlight?.isr;
  }

  /** A proposal without an answer may still be committed: another one on this revision has to win first. */
  get isDoubtful(): boolean {
    return this.#undecided !== undefined;
  }

  /** Every node that may be in sync. */
  nodes(): ReadonlySet<NodeId> {
    return this.#nodes;
  }

  propose(isr: readonly IsrMember[], unfit: ReadonlySet<NodeId>): void {
    this.#inFlight = { isr, unfit };
    this.#nodes = this.#union();
  }

  /** It was stored, and made this revision. */
  commit(partitionEpoch: bigint): void {
    const proposal = this.#inFlight;
    assert(proposal !== undefined, 'what is committed was proposed');
    assert(partitionEpoch > this.#committed.partitionEpoch, 'a change makes a newer revision');
    const { isr, unfit } = proposal;
    // As the store does it: whoever was found unfit after the proposal had left is in its ELR.
    this.#decided({ ...withIsr(this.#committed, isr, (node) => unfit.has(node)), partitionEpoch });
  }

  /** It was not stored, and never will be. */
  revert(): void {
    this.#inFlight = undefined;
    this.#nodes = this.#union();
  }

  /** Nobody knows whether it is stored. */
  doubt(): void {
    const named = this.#inFlight?.isr.map(({ node }) => node) ?? [];
    this.#undecided = new Set([...(this.#undecided ?? []), ...named]);
    this.#inFlight = undefined;
    this.#nodes = this.#union();
  }

  /** A state from the store. False: it is not newer than the one that is known. */
  adopt(state: CommittedState): boolean {
    const { partitionEpoch } = this.#committed;
    if (state.partitionEpoch <= partitionEpoch) return false;
    this.#decided(state);
    return true;
  }

  #decided(committed: CommittedState): void {
    this.#committed = committed;
    this.#inFlight = undefined;
    this.#undecided = undefined;
    this.#nodes = this.#union();
  }

  #union(): ReadonlySet<NodeId> {
    const members = [...this.#committed.isr, ...(this.#inFlight?.isr ?? [])];
    return new Set([...members.map(({ node }) => node), ...(this.#undecided ?? [])]);
  }
}
