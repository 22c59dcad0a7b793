import type { PlantedBug } from './planted-bug.ts';

/** Bugs of groups, of their shards, and of those who coordinate them. */
export const plantedGroupBugs: readonly PlantedBug[] = [
  {
    name: 'assignment-in-flight-not-owned',
    kind: 'groups',
    patches: [
      {
        file: 'groups/src/holdings.ts',
        from: 'sentIn === holding.number || sentIn >= acked || owned.has(partition)',
        to: 'owned.has(partition)',
      },
    ],
  },
  {
    name: 'absent-owned-is-empty',
    kind: 'groups',
    patches: [
      {
        file: 'groups/src/holdings.ts',
        from: 'if (owned === undefined) return { ...holding, acked };',
        to: 'owned ??= new Set();',
      },
    ],
  },
  {
    name: 'given-away-before-given-up',
    kind: 'groups',
    patches: [
      {
        file: 'groups/src/turn.ts',
        from: 'group.owner(partition) === undefined;',
        to: 'group.id !== undefined;',
      },
      { file: 'groups/src/turn.ts', from: 'owner === undefined || owner === member', to: 'owner !== null' },
    ],
  },
  {
    name: 'stale-commit-accepted',
    kind: 'groups',
    patches: [
      {
        file: 'groups/src/offsets.ts',
        from: 'if (since !== undefined && since <= by.epoch && by.epoch <= epoch) return;',
        to: 'if (by.epoch <= epoch) return;',
      },
    ],
  },
  {
    name: 'failed-append-forgotten',
    kind: 'groups',
    patches: [
      {
        file: 'shards/src/partition-shard-log.ts',
        from: 'await this.#insist(() => this.#attempt(outgoing), outgoing);',
        to: 'await this.#attempt(outgoing);',
      },
      {
        file: 'shards/src/shard-owner.ts',
        from: "this.#lose(sealed, sealed.outcome !== 'NOT_WRITTEN');",
        to: "this.#queue.fail(sealed.outcome !== 'NOT_WRITTEN');",
      },
    ],
  },
  {
    name: 'served-before-the-fence-is-committed',
    kind: 'groups',
    patches: [
      {
        file: 'storage-node/src/partition.ts',
        from: 'this.#parked.park({ endsAt, error: undefined, appended, settle }, this.log.highWatermark);',
        to: 'settle(undefined, appended);',
      },
      // Else it would wait for the fence when it reads what stands before it.
      {
        file: 'shards/src/read-log.ts',
        from: 'until: at(end),',
        to: "until: { at: { case: 'latest', value: {} } } as const,",
      },
    ],
  },
  {
    name: 'stale-owner-answers',
    kind: 'groups',
    patches: [
      {
        file: 'group-coordinator/src/group-service.ts',
        from: 'shards.ask(owned, request(group), true);',
        to: 'shards.ask(owned, request(group));',
      },
    ],
  },
  {
    name: 'stale-owner-renews-sessions',
    kind: 'groups',
    patches: [
      {
        file: 'group-coordinator/src/member-stream.ts',
        from: '    this.#ports.shards.confirm(owned, () => {\n',
        to: '    queueMicrotask(() => {\n',
      },
    ],
  },
  {
    name: 'member-outlives-its-session',
    kind: 'groups',
    patches: [
      {
        file: 'client/src/group/membership-machine.ts',
        from: 'Math.max(state.endsAt, event.saidAt + state.sessionTimeoutMs)',
        to: 'Number.POSITIVE_INFINITY',
      },
    ],
  },
];
