import { type Logger, type Millis, type NodeId, revision } from '@moldau/kernel';
import { type MetadataStore, onProbed, onSilence, type SilenceView, suspectsCodec } from '@moldau/metadata';
import type { Dialer } from '@moldau/rpc';
import type { ImageKeeper } from './image-keeper.ts';
import type { NodeConditions } from './node-conditions.ts';
import type { Office } from './office.ts';
import { probe } from './probe.ts';
import type { StoreWriter } from './store-writer.ts';

const probeMs: Millis = 2_000;
/** A suspicion counts for so many session timeouts. */
const suspicionTimeouts = 3;

interface Parts {
  readonly keeper: ImageKeeper;
  readonly writer: StoreWriter;
  readonly conditions: NodeConditions;
  readonly office: Office;
}

/** Judges nodes that have fallen silent, one round at a time: fences them, or resigns when most of them are. */
export class SilentNodes {
  readonly #ports: { store: MetadataStore; dialer: Dialer; logger: Logger };
  readonly #timeoutMs: Millis;
  readonly #parts: Parts;
  #judging = false;

  constructor(ports: { store: MetadataStore; dialer: Dialer; logger: Logger }, timeoutMs: Millis, parts: Parts) {
    this.#ports = ports;
    this.#timeoutMs = timeoutMs;
    this.#parts = parts;
  }

  /** `answered` is told of nodes that are alive after all. Without effect while a round runs: ask again. Never rejects. */
  judge(silent: readonly NodeId[], answered: (node: NodeId) => void): void {
    if (this.#judging) return;
    this.#judging = true;
    this.#judge(silent, answered)
      .catch((error: unknown) => {
        this.#ports.logger.warn('silent nodes could not be fenced: trying again', { nodes: silent.join(), error });
      })
      .finally(() => {
        this.#judging = false;
      });
  }

  /** The connection of a node broke. Who refuses a new one is gone: no need to wait for the timeout. */
  async lost(node: NodeId, isBack: () => boolean): Promise<void> {
    const before = this.#parts.keeper.image.node(node);
    if (before === undefined || before.condition.fenced) return;
    if ((await this.#probe(node)) !== 'refused' || isBack()) return;
    if (this.#parts.keeper.image.node(node)?.epoch === before.epoch) {
      await this.#parts.conditions.fence(node, 'its address refuses connections');
    }
  }

  async #judge(silent: readonly NodeId[], answered: (node: NodeId) => void): Promise<void> {
    const view = this.#view(silent);
    if (onSilence(view) === 'fence') return await this.#fence(silent);
    const found = await Promise.all(silent.map(async (node) => ({ node, found: await this.#probe(node) })));
    const those = (wanted: string): NodeId[] => found.flatMap((one) => (one.found === wanted ? [one.node] : []));
    for (const node of those('answers')) answered(node);
    await this.#fence(those('refused'), 'its address refuses connections');
    const unanswered = those('silent');
    if (onProbed(view, unanswered) === 'fence') return await this.#fence(unanswered);
    await this.#resign(unanswered);
  }

  async #fence(nodes: readonly NodeId[], why = `not heard for ${this.#timeoutMs} ms`): Promise<void> {
    for (const node of nodes) await this.#parts.conditions.fence(node, why);
  }

  async #resign(nodes: readonly NodeId[]): Promise<void> {
    const { keeper, writer, office } = this.#parts;
    const { image } = keeper;
    const key = image.keys.suspects;
    this.#ports.logger.warn('most nodes are silent, or this coordinator is cut off: another one shall look', {
      nodes: nodes.join(),
    });
    const lease = await this.#ports.store.grantLease(this.#timeoutMs * suspicionTimeouts);
    await writer.commit({
      compares: [{ key, modRevision: image.suspects?.revision ?? 0n }],
      ops: (nonce) => [
        { kind: 'put', key, value: suspectsCodec.encode({ nodes, term: revision(office.term) }, nonce), lease },
      ],
    });
    office.end('resigned, because it could not hear most nodes');
  }

  #view(silent: readonly NodeId[]): SilenceView {
    const { image } = this.#parts.keeper;
    const active = image.nodes().filter(({ condition }) => !condition.fenced).length;
    return { active, silent, term: this.#parts.office.term, suspects: image.suspects?.value };
  }

  async #probe(node: NodeId) {
    const address = this.#parts.keeper.image.node(node)?.registration.address;
    return address === undefined ? 'silent' : await probe(this.#ports.dialer, address, probeMs);
  }
}
