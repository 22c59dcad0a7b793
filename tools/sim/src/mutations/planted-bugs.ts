import type { PlantedBug } from './planted-bug.ts';

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
        from: 'Math.min(this.#ports.clock.wallMs(), coordinatorMs)',
        to: 'this.#ports.clock.wallMs()',
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
    name: 'election-applied-before-it-is-stored',
    patches: [
      {
        file: 'storage-node/src/assignments.ts',
        from: 'if (partition !== undefined && epoch !== undefined) {',
        to: 'this.#appliedEpochs.set(key, assignment.partitionEpoch);\n    if (partition !== undefined && epoch !== undefined) {',
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
];

/** All of them, or the one of this name. Throws an Error that lists them. */
export function planted(name: string | undefined): readonly PlantedBug[] {
  if (name === undefined) return plantedBugs;
  const found = plantedBugs.filter((bug) => bug.name === name);
  if (found.length > 0) return found;
  throw new Error(`no planted bug ${name}: there are ${plantedBugs.map((bug) => bug.name).join(', ')}`);
}
