import { registerHooks } from 'node:module';
import { assert } from '@moldau/kernel';
import type { Machines } from './model-node.ts';

/** A bug that a careful person might write all the same: a change of source text that must fit exactly once. */
export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'silent members of the ISR are skipped in the high watermark',
    patches: [
      {
        file: 'leader.ts',
        from: 'if (follower?.isReady !== true) return [];\n      if (follower.durableEnd',
        to: 'if (follower?.isReady !== true) continue;\n      if (follower.durableEnd',
      },
    ],
  },
  {
    name: 'proposals do not count: the committed ISR alone decides',
    patches: [
      {
        file: 'maximal-isr.ts',
        from: 'const members = [...this.#committed.isr, ...(this.#inFlight?.isr ?? [])];',
        to: 'return new Set(this.#committed.isr.map(({ node }) => node));\n    const members = [...(this.#inFlight?.isr ?? [])];',
      },
    ],
  },
  {
    name: 'a proposal replaces the committed ISR at once',
    patches: [
      {
        file: 'maximal-isr.ts',
        from: 'const members = [...this.#committed.isr, ...(this.#inFlight?.isr ?? [])];',
        to: 'const members = this.#inFlight?.isr ?? this.#committed.isr;',
      },
    ],
  },
  {
    name: 'STALE takes everything back',
    patches: [
      {
        file: 'leader.ts',
        from: "      case 'stale':\n",
        to: "      case 'stale':\n        this.#isr.revert();\n        return [];\n",
      },
      {
        file: 'maximal-isr.ts',
        from: '  revert(): void {\n    this.#inFlight = undefined;',
        to: '  revert(): void {\n    this.#inFlight = this.#undecided = undefined;',
      },
    ],
  },
  {
    name: 'INELIGIBLE takes back what is undecided',
    patches: [
      {
        file: 'maximal-isr.ts',
        from: '  revert(): void {\n    this.#inFlight = undefined;',
        to: '  revert(): void {\n    this.#inFlight = this.#undecided = undefined;',
      },
    ],
  },
  {
    name: 'whoever reaches the high watermark joins, whatever the start of the epoch',
    patches: [
      {
        file: 'leader.ts',
        from: 'return durableEnd >= this.#highWatermark && durableEnd >= this.epochStart;',
        to: 'return durableEnd >= this.#highWatermark;',
      },
    ],
  },
  {
    name: 'what is called committed counts only in the next step',
    patches: [{ file: 'leader.ts', from: '    this.#calledCommitted = highWatermark;\n', to: '' }],
  },
  {
    name: 'a copy is cut at its high watermark, and not by epochs',
    patches: [
      {
        file: 'follower.ts',
        from: "return this.#cut(following, session, { kind: 'truncate', to: truncateTo });",
        to: "return this.#cut(following, session, { kind: 'truncate', to: this.#log.highWatermark });",
      },
      {
        file: 'follower.ts',
        from: 'if (truncateTo === undefined || truncateTo >= this.#log.durableEnd)',
        to: 'if (this.#log.highWatermark >= this.#log.durableEnd)',
      },
    ],
  },
  {
    name: 'copies are not compared: whatever ends within the leader’s log is whole',
    patches: [
      {
        file: 'epochs.ts',
        from: "if (end < logStart) return { kind: 'reset', to: logStart };",
        to: "if (end < logStart) return { kind: 'reset', to: logStart };\n  if (end <= leader.writtenEnd) return { kind: 'whole' };",
      },
      {
        file: 'leader.ts',
        from: '(!isEmpty && this.#log.epochOf((durableEnd - 1n) as Offset) !== lastEpoch)',
        to: '(isEmpty && lastEpoch < 0)',
      },
    ],
  },
  {
    name: 'a member that lost its log is taken as empty',
    patches: [
      { file: 'leader.ts', from: 'if (hasLost && this.#counts(node)) {', to: 'if (hasLost && this.#resigned) {' },
      {
        file: 'leader.ts',
        from: 'if (durableEnd < this.#highWatermark && this.#counts(node)) {',
        to: 'if (this.#resigned) {',
      },
    ],
  },
  {
    name: 'an unfit member is dropped, and stays eligible',
    patches: [
      {
        file: 'leader.ts',
        from: "return [{ kind: 'propose', isr, unfit, partitionEpoch:",
        to: "return [{ kind: 'propose', isr, unfit: [], partitionEpoch:",
      },
    ],
  },
  {
    name: 'who lost data after a proposal is taken as out of the ELR with it',
    patches: [
      {
        file: 'maximal-isr.ts',
        from: 'const { isr, unfit } = proposal;',
        to: 'const { isr } = proposal;\n    const unfit = this.laterUnfit;',
      },
      {
        file: 'maximal-isr.ts',
        from: '  #committed: CommittedState;\n',
        to: '  laterUnfit: ReadonlySet<NodeId> = new Set();\n  #committed: CommittedState;\n',
      },
      {
        file: 'leader.ts',
        from: '        this.#isr.commit(decision.partitionEpoch);',
        to: '        this.#isr.laterUnfit = this.#unfit;\n        this.#isr.commit(decision.partitionEpoch);',
      },
    ],
  },
  {
    name: 'acks count before Ready',
    patches: [
      {
        file: 'leader.ts',
        from: 'if (follower?.isReady !== true) return [];\n      if (follower.durableEnd',
        to: 'if (follower === undefined) return [];\n      if (follower.durableEnd',
      },
      {
        file: 'follower-progress.ts',
        from: 'durableEnd: Offset = 0n as Offset;',
        to: 'durableEnd: Offset = (1n << 40n) as Offset;',
      },
    ],
  },
  {
    name: 'acks of an older session count',
    patches: [
      {
        file: 'leader.ts',
        from: 'if (follower?.session !== session || !follower.isReady) return [];',
        to: 'if (follower === undefined || !follower.isReady) return [];',
      },
      {
        file: 'leader.ts',
        from: 'if (durableEnd < follower.durableEnd || durableEnd > this.#log.writtenEnd) {',
        to: 'if (durableEnd < follower.durableEnd) return [];\n    if (durableEnd > this.#log.writtenEnd) {',
      },
    ],
  },
  {
    name: 'an older start of a node is heard',
    patches: [
      {
        file: 'leader.ts',
        from: 'if (known !== undefined && nodeEpoch < known) return',
        to: 'if (known !== undefined && nodeEpoch < 0n) return',
      },
    ],
  },
  {
    name: 'the high watermark moves below min ISR',
    patches: [{ file: 'leader.ts', from: 'if (!this.hasEnoughReplicas) return [];', to: '' }],
  },
];

const planted = new Map<string, PlantedBug>();
const nameIn = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : (new URL(url, 'file:///').searchParams.get('planted') ?? undefined);

registerHooks({
  resolve(specifier, context, nextResolve) {
    const name = specifier.startsWith('./') ? nameIn(context.parentURL) : undefined;
    return nextResolve(name === undefined ? specifier : `${specifier}?planted=${name}`, context);
  },
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const bug = planted.get(nameIn(url) ?? '');
    if (bug === undefined) return loaded;
    let source = new TextDecoder().decode(loaded.source as Uint8Array);
    for (const { file, from, to } of bug.patches) {
      if (!new URL(url).pathname.endsWith(`/${file}`)) continue;
      assert(source.split(from).length === 2, `"${bug.name}" no longer fits in ${file}`);
      source = source.replace(from, () => to);
    }
    return { ...loaded, source };
  },
});

/** The machines with the bug. */
export async function plant(bug: PlantedBug): Promise<Machines> {
  const name = String(plantedBugs.indexOf(bug));
  planted.set(name, bug);
  return (await import(`../../src/index.ts?planted=${name}`)) as Machines;
}
