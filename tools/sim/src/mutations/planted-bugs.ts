import type { Kind } from '../kinds.ts';
import type { PlantedBug } from './planted-bug.ts';
import { plantedCompactionBugs } from './planted-compaction-bugs.ts';
import { plantedGroupBugs } from './planted-group-bugs.ts';

/** Bugs that a careful person might write all the same. Each must be caught. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'ack-before-fsync',
    patches: [
      {
        file: 'log/src/partition-log.ts',
        from: "if (this.#config.flush === 'fsync') return this.#syncer.request();",
        to: "if (this.#config.flush === 'fsync') this.#syncer.request();",
      },
    ],
  },
  {
    // Freed with its neighbour when that leaves the tail cache.
    name: 'cached-batch-shares-memory',
    patches: [{ file: 'log/src/own-memory.ts', from: 'bytes.length > slackBytes && ', to: '' }],
  },
  {
    name: 'torn-tail-not-cut',
    patches: [{ file: 'log/src/recovery/scan-tail.ts', from: 'checkCrc: true,', to: 'checkCrc: false,' }],
  },
  {
    name: 'duplicate-check-skipped',
    patches: [
      {
        file: 'log/src/log-appender.ts',
        from: 'if (duplicate !== undefined) return duplicate;',
        to: 'if (duplicate !== undefined) noteDuplicate(duplicate);',
      },
      {
        file: 'log/src/log-appender.ts',
        from: 'function freshPlan(',
        to: 'function noteDuplicate(_duplicate: AppendResult): void {}\n\nfunction freshPlan(',
      },
    ],
  },
  {
    name: 'lower-token-accepted',
    patches: [
      {
        file: 'log/src/log-appender.ts',
        from: 'if (token === undefined || token < last.token) throw',
        to: 'if (token === undefined) throw',
      },
    ],
  },
  {
    name: 'token-not-copied',
    patches: [
      {
        file: 'log/src/log-appender.ts',
        from: 'for (const batch of batches) noteToken(state, piece.bytes, batch);\n',
        to: '',
      },
    ],
  },
  {
    name: 'token-not-recovered',
    patches: [
      {
        file: 'log/src/recovery/recover-partition.ts',
        from: 'state.tokens = stored?.tokens ?? new FencingTokens();',
        to: 'state.tokens = new FencingTokens();',
      },
    ],
  },
  {
    name: 'duplicate-check-after-admission',
    patches: [
      {
        file: 'log/src/log-appender.ts',
        from: 'const [first] = batches;',
        to: 'options.admit?.();\n    const [first] = batches;',
      },
    ],
  },
  {
    name: 'corruption-as-torn-tail',
    patches: [
      {
        file: 'log/src/recovery/recover-partition.ts',
        from: ': await recoverTail(context, state, synced, syncedEnd, input);',
        to: ': await recoverTail(context, state, { segment: state.segments[0]?.baseOffset ?? synced.segment, position: 0 }, state.segments[0]?.baseOffset ?? syncedEnd, input);',
      },
    ],
  },
  {
    name: 'old-epoch-after-restart',
    patches: [
      {
        file: 'storage-node/src/assignments.ts',
        from: 'partition.onResign(() => this.#onResign(reportOn(partition)));',
        to: 'partition.onResign(() => this.#onResign(reportOn(partition)));\n    if (log.storedEpoch > 0) await partition.lead(log.storedEpoch, fromAssignment(assignment));',
      },
    ],
  },
  {
    name: 'delete-on-absence',
    patches: [
      {
        file: 'storage-node/src/assignments.ts',
        from: 'const reports: Report[] = [];',
        to: `const reports: Report[] = [];
    const named = new Set(message.assignments.map(({ topicId }) => topicId));
    for (const { log } of [...this.#partitions.all()]) {
      if (named.size > 0 && !named.has(log.identity.topicId)) await this.#remove(log.identity.topicId);
    }`,
      },
    ],
  },
  {
    name: 'offset-reused-after-failed-write',
    patches: [
      {
        file: 'log/src/write-undo.ts',
        from: 'state.resigned = true;',
        to: 'const leading = state.epochs.last;',
      },
      {
        file: 'log/src/write-undo.ts',
        from: 'state.cuts -= 1;',
        to: 'state.cuts -= 1;\n      state.leading = leading;',
      },
      { file: 'storage-node/src/partition.ts', from: '      this.#resign();\n', to: '' },
    ],
  },
  {
    name: 'read-above-high-watermark',
    patches: [
      {
        file: 'storage-node/src/fetch-handle.ts',
        from: 'return this.#partition.log.highWatermark;',
        to: 'return this.#partition.log.writtenEnd;',
      },
    ],
  },
  {
    name: 'unknown-repeated-without-idempotence',
    patches: [
      {
        file: 'client/src/partition-sender.ts',
        from: 'const mayRepeat = this.#context.idempotent || !head.isDoubtful;',
        to: 'const mayRepeat = head !== undefined;',
      },
    ],
  },
  {
    name: 'not-written-for-unknown',
    patches: [
      {
        file: 'client/src/outgoing-batch.ts',
        from: "this.#isDoubtful ? 'UNKNOWN' : 'NOT_WRITTEN'",
        to: "'NOT_WRITTEN'",
      },
    ],
  },
  {
    name: 'retention-by-own-clock',
    patches: [
      {
        file: 'log/src/log-directory.ts',
        from: 'earliestMs: Math.min(ownMs, coordinatorMs)',
        to: 'earliestMs: ownMs',
      },
    ],
  },
  {
    name: 'failed-disk-trusted-again',
    patches: [
      {
        file: 'log/src/guarded-file-system.ts',
        from: 'if (this.#failure !== undefined) return;\n    this.#failure = error;',
        to: 'if (this.#failure === error) return;',
      },
    ],
  },
  {
    name: 'write-without-the-term',
    patches: [
      {
        file: 'coordinator/src/store-writer.ts',
        from: 'this.#ports.store.txn([this.#fence, ...compares], ops, look)',
        to: 'this.#ports.store.txn(compares, ops, look)',
      },
    ],
  },
  {
    name: 'office-without-a-deadline',
    patches: [
      {
        file: 'coordinator/src/office.ts',
        from: 'return !this.over.aborted && this.#ports.clock.monotonicMs() < this.#validUntil;',
        to: 'return !this.over.aborted;',
      },
      {
        file: 'coordinator/src/office.ts',
        from: "if (left <= 0) return this.end('could not renew its lease in time');",
        to: 'if (left <= 0) return;',
      },
    ],
  },
  {
    name: 'silent-members-not-counted',
    patches: [
      {
        file: 'replication/src/leader.ts',
        from: 'if (follower?.isReady !== true) return [];\n      if (follower.durableEnd < highWatermark)',
        to: 'if (follower?.isReady !== true) continue;\n      if (follower.durableEnd < highWatermark)',
      },
    ],
  },
  {
    name: 'proposals-not-counted',
    patches: [
      {
        file: 'replication/src/maximal-isr.ts',
        from: 'const members = [...this.#committed.isr, ...(this.#inFlight?.isr ?? [])];',
        to: 'return new Set(this.#committed.isr.map(({ node }) => node));\n    const members = [...(this.#inFlight?.isr ?? [])];',
      },
    ],
  },
  {
    name: 'stale-proposal-taken-back',
    patches: [
      {
        file: 'replication/src/maximal-isr.ts',
        from: 'this.#undecided = new Set([...(this.#undecided ?? []), ...named]);',
        to: 'this.#undecided = new Set(named.filter(() => false));',
      },
    ],
  },
  {
    name: 'refused-proposal-takes-earlier-ones-back',
    patches: [
      {
        file: 'replication/src/maximal-isr.ts',
        from: '  revert(): void {\n    this.#inFlight = undefined;',
        to: '  revert(): void {\n    this.#inFlight = this.#undecided = undefined;',
      },
    ],
  },
  {
    name: 'joins-below-the-start-of-the-epoch',
    patches: [
      {
        file: 'replication/src/leader.ts',
        from: ' && durableEnd >= this.epochStart;',
        to: ';',
      },
    ],
  },
  {
    name: 'follower-acknowledges-before-fsync',
    patches: [
      {
        file: 'storage-node/src/replication/following.ts',
        from: 'durableEnd: effect.durableEnd,',
        to: 'durableEnd: log.writtenEnd,',
      },
      {
        file: 'storage-node/src/partition.ts',
        from: 'log.onWritten(() => this.#leading?.written());',
        to: 'log.onWritten(() => {\n      this.#leading?.written();\n      this.#following?.synced();\n    });',
      },
    ],
  },
  {
    name: 'node-epoch-not-checked',
    patches: [
      {
        file: 'metadata/src/isr-change.ts',
        from: 'view.epochOf(node) === epoch;',
        to: 'epoch > 0n;',
      },
    ],
  },
  {
    name: 'truncated-by-high-watermark',
    patches: [
      {
        file: 'replication/src/follower.ts',
        from: "return this.#cut(following, session, { kind: 'truncate', to: truncateTo });",
        to: "return this.#cut(following, session, { kind: 'truncate', to: this.#log.highWatermark });",
      },
      {
        file: 'replication/src/follower.ts',
        from: 'if (truncateTo === undefined || truncateTo >= this.#log.durableEnd)',
        to: 'if (this.#log.highWatermark >= this.#log.durableEnd)',
      },
    ],
  },
  {
    name: 'elected-from-outside-isr-and-elr',
    patches: [
      {
        file: 'metadata/src/election.ts',
        from: 'const heard = heardOf(state.elr, view);\n  const isComplete',
        to: 'const heard = heardOf(state.replicas, view);\n  const isComplete',
      },
    ],
  },
  {
    name: 'min-isr-lowered-while-the-elr-lives',
    patches: [
      {
        file: 'metadata/src/in-sync.ts',
        from: 'if (isr.length >= state.minIsr) return { ...state, isr, elr: [] };',
        to: 'if (isr.length >= state.minIsr && state.elr.length === 0) return { ...state, isr, elr: [] };',
      },
      {
        file: 'metadata/src/in-sync.ts',
        from: "  assert(isr.length < minIsr || elr.length === 0, 'the ELR is empty while the ISR is large enough');\n",
        to: '',
      },
    ],
  },
  {
    name: 'lost-copy-taken-for-an-empty-one',
    patches: [
      {
        file: 'replication/src/leader.ts',
        from: 'if (hasLost && this.#counts(node)) {',
        to: 'if (hasLost && this.#resigned) {',
      },
      {
        file: 'replication/src/leader.ts',
        from: 'if (durableEnd < this.#highWatermark && this.#counts(node)) {',
        to: 'if (this.#resigned) {',
      },
    ],
  },
  {
    name: 'older-metadata-accepted',
    patches: [
      {
        file: 'storage-node/src/assignments.ts',
        from: 'if (known !== undefined && known >= assignment.partitionEpoch) return { report };',
        to: '',
      },
      {
        file: 'storage-node/src/controller-link.ts',
        from: 'if (message.version < this.#seen) throw olderMetadata(message.version, this.#seen);',
        to: '',
      },
      // Either side compares: as long as one does, nothing older gets through.
      {
        file: 'coordinator/src/controller-service.ts',
        from: 'await parts.requireNotRestored(node, seen);\n',
        to: '',
      },
    ],
  },
  {
    name: 'epoch-of-the-leader-not-stored',
    patches: [
      {
        file: 'storage-node/src/replication/following.ts',
        from: 'await directory.storeEpoch(this.log.key, leaderEpoch(epoch));\n',
        to: '',
      },
    ],
  },
  ...plantedGroupBugs,
  ...plantedCompactionBugs,
];

/** All of them, those that histories of one kind may meet, or the one of this name. Throws an Error that lists them. */
export function planted({
  mutation,
  kind,
}: {
  readonly mutation?: string | undefined;
  readonly kind?: Kind | undefined;
}): readonly PlantedBug[] {
  const ofKind = plantedBugs.filter((bug) => kind === undefined || (bug.kind ?? 'log') === kind);
  const found = mutation === undefined ? ofKind : ofKind.filter(({ name }) => name === mutation);
  if (found.length > 0) return found;
  throw new Error(`no planted bug ${mutation}: there are ${ofKind.map(({ name }) => name).join(', ')}`);
}
