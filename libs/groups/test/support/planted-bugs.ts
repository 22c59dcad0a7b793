import { registerHooks } from 'node:module';
import { assert } from '@moldau/kernel';
import type { Machines } from './model-shard.ts';

/** A bug that groups had, or could have had: replaced text of the machine. */
export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a partition is given away before its owner gave it up',
    patches: [
      { file: 'turn.ts', from: 'group.owner(partition) === undefined;', to: 'group.id !== undefined;' },
      { file: 'turn.ts', from: 'owner === undefined || owner === member', to: 'owner !== null' },
    ],
  },
  {
    name: 'an absent list of what is owned is an empty one',
    patches: [
      {
        file: 'holdings.ts',
        from: 'if (owned === undefined) return { ...holding, acked };',
        to: 'owned ??= new Set();',
      },
    ],
  },
  {
    name: 'what was sent and is not acknowledged is not owned',
    patches: [{ file: 'holdings.ts', from: 'sentIn >= acked || owned.has(partition)', to: 'owned.has(partition)' }],
  },
  {
    name: 'what a member reports it owns is not looked at',
    patches: [{ file: 'holdings.ts', from: 'sentIn >= acked || owned.has(partition)', to: 'sentIn >= acked' }],
  },
  {
    name: 'a new owner gives nobody a session',
    patches: [{ file: 'shard.ts', from: 'now.monotonicMs + this.#options.sessionTimeoutMs;', to: 'now.monotonicMs;' }],
  },
  {
    name: 'a frame does not renew the session',
    patches: [{ file: 'turn.ts', from: '    session.endsAt = endsAt;\n', to: '' }],
  },
  {
    name: 'what the dead owned is free, and nobody is told',
    patches: [{ file: 'turn.ts', from: '    this.freed(held);\n', to: '' }],
  },
  {
    name: 'what is given up is free, and nobody is told',
    patches: [
      {
        file: 'membership.ts',
        from: '  turn.freed(revokingOf(before).filter((partition) => !after.held.has(partition)));\n',
        to: '',
      },
    ],
  },
  {
    name: 'targets are not in the records',
    patches: [
      {
        file: 'turn.ts',
        from: 'this.#records.set(key, record);',
        to: "if (record.kind !== 'target') this.#records.set(key, record);",
      },
    ],
  },
  {
    name: 'an assignment does not say what is committed',
    patches: [{ file: 'turn.ts', from: 'committed: group.offsets.get(partition)', to: 'committed: undefined' }],
  },
  {
    name: 'a partition takes the newest epoch with every assignment',
    patches: [{ file: 'holdings.ts', from: '{ ...held, sentIn: number }', to: '{ assignmentEpoch, sentIn: number }' }],
  },
  {
    name: 'the time to give partitions up never ends',
    patches: [
      { file: 'turn.ts', from: 'now.monotonicMs + profile.rebalanceTimeoutMs', to: 'Number.POSITIVE_INFINITY' },
    ],
  },
  {
    name: 'a broken stream that comes back is a new member',
    patches: [
      {
        file: 'membership.ts',
        from: 'if (group.members.has(hello.member)) return resume(turn, hello, profile);',
        to: 'if (group.members.has(hello.member)) turn.remove(hello.member);',
      },
    ],
  },
  {
    name: 'a static member that leaves to come back is gone',
    patches: [{ file: 'membership.ts', from: 'if (!comingBack || group', to: 'if (comingBack || group' }],
  },
  {
    name: 'the one that had the instance id before is not told',
    patches: [
      { file: 'membership.ts', from: '  turn.fence(old, faults.fencedInstance(group.id, instance));\n', to: '' },
    ],
  },
  {
    name: 'a stand-alone consumer commits although there are members',
    patches: [
      {
        file: 'offsets.ts',
        from: "if (group.members.size > 0) return { kind: 'refused', error: faults.groupNotEmpty(group.id, group.members.size) };\n    return store",
        to: 'return store',
      },
    ],
  },
  {
    name: 'whose target changed is not told',
    patches: [
      {
        file: 'turn.ts',
        from: '        this.putTarget(member, target);\n        this.due(member);\n',
        to: '        this.putTarget(member, target);\n',
      },
    ],
  },
  {
    name: 'topics that changed make no new epoch',
    patches: [{ file: 'shard.ts', from: 'turn.fingerprint() !== group.head.topics', to: 'group.isGone' }],
  },
];

const planted = new Map<string, PlantedBug>();
const nameIn = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : (new URL(url, 'file:///').searchParams.get('planted') ?? undefined);

registerHooks({
  resolve(specifier, context, nextResolve) {
    const name = specifier.startsWith('.') ? nameIn(context.parentURL) : undefined;
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

/** The machine with the bug. */
export async function plant(bug: PlantedBug): Promise<Machines> {
  const name = String(plantedBugs.indexOf(bug));
  planted.set(name, bug);
  return (await import(`../../src/index.ts?planted=${name}`)) as Machines;
}
