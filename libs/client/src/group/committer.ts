import { Gate, type Millis, MoldauError } from '@moldau/kernel';
import { retrying } from '@moldau/routing';
import { fromWireError } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import { CommitFailed, type CommitFailure } from './commit-failed.ts';
import type { MemberSession } from './member-session.ts';
import { fromNamed, keyOf } from './membership-wire.ts';

/** Offsets of one commit. */
const offsetsMax = 10_000;

/** Longer than a session: a coordinator that is away is waited for until the membership is over, and a commit with it. */
const patienceMs: Millis = 600_000;

/** A partition, and the offset behind what is done of it. */
export interface Position {
  readonly assigned: AssignedPartition;
  readonly offset: bigint;
}

/** Commits what is done, one commit at a time: what is done meanwhile goes with the next, and an offset is passed over by a newer one. */
export class Committer {
  readonly #group: string;
  readonly #ports: ClientPorts;
  readonly #session: MemberSession;
  readonly #assigned: Iterable<AssignedPartition>;
  readonly #idle = new Gate();
  /** Commits that somebody waits for. */
  #asked = 0;
  #running: Promise<void> | undefined;
  #unheard: MoldauError | undefined;

  constructor(group: string, ports: ClientPorts, session: MemberSession, assigned: Iterable<AssignedPartition>) {
    this.#group = group;
    this.#ports = ports;
    this.#session = session;
    this.#assigned = assigned;
  }

  /** Commits all that is done now; or exactly these. Throws {@link CommitFailed}, and what else keeps it from being committed. */
  async commit(exactly?: readonly Position[]): Promise<void> {
    this.#asked += 1;
    try {
      // What is done by then, and no less when it is lost meanwhile: whoever waits is told.
      let positions = exactly;
      await this.#oneAtATime(() => {
        positions ??= this.#uncommitted();
        return positions;
      });
    } finally {
      this.#asked -= 1;
      if (this.#asked === 0) this.#idle.open();
    }
  }

  /** Resolves when nobody waits for a commit: a partition is not given up before. */
  async idle(): Promise<void> {
    while (this.#asked > 0) await this.#idle.wait();
  }

  /** Commits all that is done, when nobody waits for it: what was refused for good is kept for `unheard`. */
  async commitUnheard(): Promise<void> {
    try {
      await this.#oneAtATime(() => this.#uncommitted());
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      this.#ports.logger.warn('a commit of a consumer has failed', { group: this.#group, error });
      if (error instanceof CommitFailed) this.#unheard ??= error;
    }
  }

  /** What was refused when nobody waited, since this was asked last. */
  unheard(): MoldauError | undefined {
    const error = this.#unheard;
    this.#unheard = undefined;
    return error;
  }

  async #oneAtATime(positions: () => readonly Position[]): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
    const running = retrying(this.#ports, patienceMs, () => this.#commitEach(positions())).finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    await running;
  }

  async #commitEach(positions: readonly Position[]): Promise<void> {
    const failures: CommitFailure[] = positions.flatMap(({ assigned, offset }) => {
      const { topic, partition, overWith } = assigned;
      const error = overWith && assigned.whyNotCommitted(offset);
      return error === undefined ? [] : [{ topic, partition, error }];
    });
    const ours = positions.filter(({ assigned }) => assigned.overWith === undefined);
    for (let at = 0; at < ours.length; at += offsetsMax)
      failures.push(...(await this.#send(ours.slice(at, at + offsetsMax))));
    throwAny(failures);
  }

  /** Returns what was refused for good: it is not asked for again by itself. */
  async #send(some: readonly Position[]): Promise<CommitFailure[]> {
    const offsets = some.map(({ assigned, offset }) => {
      const { next, lastEpoch } = assigned.source;
      // Of the last record that was read, ahead of what is done: a log that was rewritten below that has neither. Of what was not
      // read nobody knows the epoch.
      const isRead = next !== undefined && offset <= next && lastEpoch !== undefined;
      return { partition: fromNamed(assigned), offset, ...(isRead && { leaderEpoch: lastEpoch }) };
    });
    const { error, failures } = await this.#session.commit(offsets);
    if (error !== undefined) throw fromWireError(error);
    const refused = new Map(
      failures.flatMap((one) => (one.partition === undefined ? [] : [[keyOf(one.partition), one.error] as const])),
    );
    return some.flatMap(({ assigned, offset }) => {
      if (!refused.has(assigned.key)) {
        assigned.committed(offset);
        return [];
      }
      const { topic, partition } = assigned;
      const error = refusal(refused.get(assigned.key));
      assigned.refused(offset, error);
      return [{ topic, partition, error }];
    });
  }

  /** What is done by now: what gets done meanwhile is for the next commit, or one beside a busy loop would never end. */
  #uncommitted(): Position[] {
    const found: Position[] = [];
    for (const assigned of this.#assigned) {
      const offset = assigned.uncommitted;
      if (offset !== undefined) found.push({ assigned, offset });
    }
    return found;
  }
}

function throwAny([first, ...others]: readonly CommitFailure[]): void {
  if (first !== undefined) throw new CommitFailed([first, ...others]);
}

const refusal = (error: Parameters<typeof fromWireError>[0] | undefined): MoldauError =>
  error === undefined ? new MoldauError('INTERNAL', 'the coordinator does not say why') : fromWireError(error);
