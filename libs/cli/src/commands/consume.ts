import type { ConsumeOptions } from '../consuming.ts';
import type { Io } from '../io.ts';
import { consumeInGroup } from './consume-in-group.ts';
import { consumeTopics } from './consume-topics.ts';

/** Prints the records of one or several topics. */
export async function consume(topics: readonly string[], options: ConsumeOptions, io: Io): Promise<void> {
  const { group, pattern, quiet } = options;
  const count =
    group === undefined
      ? await consumeTopics(topics, options, io)
      : await consumeInGroup(topics, { ...options, group }, io);
  if (!io.interrupted.aborted || quiet === true) return;
  const from = pattern === undefined ? topics : [...topics, pattern];
  io.stderr.write(`${count} record${count === 1 ? '' : 's'} read from ${from.join(', ')}\n`);
}
