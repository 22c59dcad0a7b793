import { Gate, MoldauError } from '@moldau/kernel';
import { retrying } from '@moldau/routing';
import { fromWireError } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import { CommitFailed, type CommitFailure } from './commit-failed.ts';
import type { MemberSession } from './member-session.ts';
import { fromNamed, keyOf } from './membership-wire.ts';

/** Offsets of one commit. */
const offsetsMax = 10_000;

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

  /** Commits all that is done now. Throws {@link CommitFailed}, and what else keeps it from being committed. */
  async commit(): Promise<void> {
    this.#asked += 1;
    try {
      await this.#commitDone();
    } finally {
      this.#asked -= 1;
      if (this.#asked === 0) this.#idle.open();
    }
  }

  /** Resolves when nobody waits for a commit: a partition is not given up before. */
  async idle(): Promise<void> {
    while (this.#asked > 0) await this.#idle.wait();
  }

  /** The same, when nobody waits for it: what was refused for good is kept for `unheard`. */
  async commitUnheard(): Promise<void> {
    try {
      await this.#commitDone();
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

  async #commitDone(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
    const running = retrying(this.#ports, this.#ports.timeoutMs, () => this.#attempt()).finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    await running;
  }

  async #attempt(): Promise<void> {
    const failures: CommitFailure[] = [];
    for (;;) {
      const some = this.#uncommitted();
      if (some.length === 0) break;
      const { error, failures: refused } = await this.#session.commit(
        some.map(({ assigned, offset }) => ({ partition: fromNamed(assigned), offset })),
      );
      if (error !== undefined) throw fromWireError(error);
      const why = new Map(
        refused.flatMap((one) => (one.partition === undefined ? [] : [[keyOf(one.partition), one.error] as const])),
      );
      for (const { assigned, offset } of some) {
        if (!why.has(assigned.key)) {
          assigned.committed(offset);
          continue;
        }
        assigned.refused(offset);
        const { topic, partition } = assigned;
        failures.push({ topic, partition, error: refusal(why.get(assigned.key)) });
      }
      if (some.length < offsetsMax) break;
    }
    const [first, ...others] = failures;
    if (first !== undefined) throw new CommitFailed([first, ...others]);
  }

  #uncommitted(): { readonly assigned: AssignedPartition; readonly offset: bigint }[] {
    const found: { readonly assigned: AssignedPartition; readonly offset: bigint }[] = [];
    for (const assigned of this.#assigned) {
      const offset = assigned.uncommitted;
      if (offset !== undefined) found.push({ assigned, offset });
      if (found.length === offsetsMax) break;
    }
    return found;
  }
}

const refusal = (error: Parameters<typeof fromWireError>[0] | undefined): MoldauError =>
  error === undefined ? new MoldauError('INTERNAL', 'the coordinator does not say why') : fromWireError(error);
