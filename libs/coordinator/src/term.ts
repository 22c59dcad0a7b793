import { faults, type Logger, MoldauError, type NodeId, type Revision } from '@moldau/kernel';
import { type Finding, type MetadataStore, noteCodec, type StoreOp } from '@moldau/metadata';
import { AdvertisedAddresses } from './advertised-addresses.ts';
import { Elections } from './elections.ts';
import { GroupShards } from './group-shards.ts';
import { ImageKeeper } from './image-keeper.ts';
import { IsrChanges } from './isr-changes.ts';
import { LeaderBalance } from './leader-balance.ts';
import { NodeConditions } from './node-conditions.ts';
import { NodeRoster } from './node-roster.ts';
import type { Office } from './office.ts';
import type { CoordinatorConfig, CoordinatorPorts } from './ports.ts';
import { ProducerIds } from './producer-ids.ts';
import { Registrar } from './registration.ts';
import { SilentNodes } from './silent-nodes.ts';
import { readKey } from './store-access.ts';
import { StoreCare } from './store-care.ts';
import { StoreWriter } from './store-writer.ts';
import { Sweeper } from './sweeper.ts';
import { TopicChanges } from './topic-changes.ts';
import { TopicCreation } from './topic-creation.ts';

/** Why a term ended: `moved` leaves the office to others, `failed` means that this process can't fill it. */
export type TermEnd = { readonly kind: 'moved' } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * One term of the active coordinator: an image that follows the store, and everything that decides from it. All of it
 * begins anew with each term, so nothing is carried over from a time when somebody else decided.
 */
export class Term {
  readonly clusterId: string;
  readonly office: Office;
  readonly keeper: ImageKeeper;
  readonly conditions: NodeConditions;
  readonly roster: NodeRoster;
  readonly creation: TopicCreation;
  readonly changes: TopicChanges;
  readonly registrar: Registrar;
  readonly isrChanges: IsrChanges;
  readonly producerIds: ProducerIds;
  readonly groupShards: GroupShards;
  readonly #writer: StoreWriter;
  readonly #elections: Elections;
  readonly #balance: LeaderBalance;
  readonly #sweeper: Sweeper;
  readonly #storeCare: StoreCare;
  readonly #addresses: AdvertisedAddresses;
  readonly #store: MetadataStore;
  readonly #logger: Logger;
  readonly #over = new AbortController();
  #end: TermEnd = { kind: 'moved' };

  constructor(ports: CoordinatorPorts, config: CoordinatorConfig, clusterId: string, office: Office) {
    this.clusterId = clusterId;
    this.office = office;
    this.#store = ports.store;
    this.#logger = ports.logger;
    const keeper = new ImageKeeper(ports, clusterId, (error) => this.#fail('is unable to follow the store', error));
    const writer = new StoreWriter(ports, keeper.image.keys, office);
    const conditions = new NodeConditions(ports, keeper, writer);
    const silent = new SilentNodes(ports, config.sessionTimeoutMs, { keeper, writer, conditions, office });
    const roster = new NodeRoster(ports, config.sessionTimeoutMs, keeper, silent);
    const elections = new Elections(ports, keeper, writer, roster, config.sessionTimeoutMs);
    this.keeper = keeper;
    this.conditions = conditions;
    this.roster = roster;
    this.creation = new TopicCreation(ports, config, keeper, writer);
    this.changes = new TopicChanges(ports, keeper, writer, elections);
    this.registrar = new Registrar(ports, clusterId, { keeper, writer, conditions, elections });
    this.isrChanges = new IsrChanges(ports, keeper, writer, roster);
    this.producerIds = new ProducerIds(ports, keeper, writer);
    this.#writer = writer;
    this.#elections = elections;
    this.#balance = new LeaderBalance(ports, keeper, (node) => roster.isDiskFull(node));
    this.groupShards = new GroupShards(ports, config, { keeper, writer, creation: this.creation });
    this.#storeCare = new StoreCare(ports);
    this.#addresses = new AdvertisedAddresses(ports, keeper);
    this.#sweeper = new Sweeper(ports, keeper, writer, {
      underway: this.creation.underway,
      graceMs: config.tombstoneGraceMs,
    });
    office.over.addEventListener('abort', () => this.#over.abort(office.over.reason), { once: true });
  }

  /** Aborted with the end of the term: streams that it serves end with it. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Resolves when the image holds the whole cluster, and everything runs. Rejects with UnreadableValue. */
  async begin(): Promise<void> {
    const { keeper, office } = this;
    office.over.throwIfAborted();
    // Where the store does not answer, only the end of the office ends the wait for it.
    office.over.addEventListener('abort', () => void keeper.stop(), { once: true });
    await keeper.start();
    const lookAtTerm = (): void => {
      if (keeper.image.term !== office.term) office.end('was replaced by another coordinator');
    };
    keeper.onChange(lookAtTerm);
    lookAtTerm();
    office.over.throwIfAborted();
    await this.#requireNotMarked();
    this.roster.start();
    this.#elections.start((error) => this.#fail('is stopped by a bug', error));
    this.#balance.start((partition) => this.#elections.prefer(partition));
    this.groupShards.start();
    this.#sweeper.start();
    this.#storeCare.start();
    this.#addresses.start();
  }

  /** What is wrong with the store, with addresses and disks: what the image does not show. */
  findings(): Finding[] {
    return [...this.#addresses.findings(), ...this.#storeCare.findings(), ...this.roster.findings()];
  }

  /**
   * A node has seen this version of the metadata. Rejects with NOT_SERVING, and ends the term for good, when the store has
   * not come so far: then it was restored to an older state, and what it says of epochs can't be trusted. That is written
   * down: the terms that only find this out write to the store as well, and would bring it there by and by.
   */
  async requireNotRestored(node: NodeId, seen: Revision): Promise<void> {
    const { image } = this.keeper;
    if (seen <= image.revision) return;
    // The image may be behind for a moment; the store itself never is.
    const { revision } = await this.#store.txn([], [{ kind: 'get', key: image.keys.election }]);
    if (seen <= revision) throw faults.notServing('the coordinator', 'behind its metadata store');
    const error = restoredStore(`at revision ${revision}, and node ${node} has seen ${seen}`, seen);
    const key = image.keys.restored;
    const note = (nonce: string): StoreOp[] => [{ kind: 'put', key, value: noteCodec.encode(String(seen), nonce) }];
    await this.#writer.commit({ compares: [{ key, modRevision: 0n }], ops: note }).catch((noted: unknown) => {
      this.#logger.warn('could not mark the store as restored', { error: noted });
    });
    this.#fail('found its metadata store restored to an older state', error);
    throw error;
  }

  /** An earlier term has found that the store was restored to an older state. */
  async #requireNotMarked(): Promise<void> {
    const marked = await readKey(this.#store, this.keeper.image.keys.restored);
    if (marked === undefined) return;
    const seen = noteCodec.decode(marked.key, marked.value);
    throw restoredStore(`marked as restored to an older state (key ${marked.key})`, BigInt(seen));
  }

  /** Resolves when the office is lost, or can't be filled any more. */
  async ended(): Promise<TermEnd> {
    if (!this.over.aborted) {
      await new Promise<void>((resolve) => this.over.addEventListener('abort', () => resolve(), { once: true }));
    }
    return this.#end;
  }

  /** Ends all sessions and watches, waits for what is on its way to the store, and gives the office up. */
  async stop(): Promise<void> {
    this.office.end('stops');
    this.roster.stop();
    this.#balance.stop();
    const parts = [
      this.#writer,
      this.#elections,
      this.groupShards,
      this.#sweeper,
      this.#storeCare,
      this.#addresses,
      this.keeper,
    ];
    await Promise.all(parts.map((part) => part.stop()));
    await this.office.resign();
  }

  #fail(why: string, error: unknown): void {
    if (this.over.aborted) return;
    this.#end = { kind: 'failed', error };
    this.#over.abort(faults.notServing('the coordinator', `not active: it ${why}`));
  }
}

const restoredStore = (how: string, seen: bigint): MoldauError =>
  new MoldauError(
    'NOT_SERVING',
    `the metadata store is ${how}: it was restored to an older state, and nothing is decided on it. Restore it with its revision raised above ${seen} (etcdutl snapshot restore --bump-revision)`,
    { state: 'restored' },
  );
