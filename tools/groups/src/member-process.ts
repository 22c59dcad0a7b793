import { fileURLToPath } from 'node:url';
import { open } from '@moldau/client';
import { TiedProcess } from '@moldau/testing/tied-process';

/** What a member in a process of its own is told. */
export interface MemberTask {
  readonly endpoints: readonly string[];
  readonly group: string;
  readonly topic: string;
  /** It blocks its only thread for so long once it has records, and says what becomes of its commit. */
  readonly blockMs?: number;
}

/** Starts one. It says who it is and how many partitions it has when that changes. */
export const startMember = (task: MemberTask): TiedProcess =>
  new TiedProcess(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(task)], { isRead: true });

async function consume({ endpoints, group, topic, blockMs }: MemberTask): Promise<void> {
  const client = open({ endpoints });
  const consumer = client.consumer({ group, topics: [topic], from: 'start', commit: 'manual' });
  const say = (): void => console.log(`is ${consumer.memberId}, has ${consumer.assignment.length} partitions`);
  consumer.on('assigned', say);
  consumer.on('revoked', say);
  consumer.on('lost', ({ partitions }) => console.log(`lost ${partitions.length} partitions`));
  let isBlocked = blockMs === undefined;
  for await (const batch of consumer.batches()) {
    if (!isBlocked) {
      isBlocked = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
    }
    try {
      await batch.commit();
      console.log('committed');
    } catch (error) {
      console.log(`refused: ${error instanceof Error ? error.message : error}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await consume(JSON.parse(process.argv[2] ?? '{}') as MemberTask);
