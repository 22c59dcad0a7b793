import {
  decodeRecord,
  encodeRecord,
  type Frame,
  type GroupOptions,
  GroupShard,
  type Reply,
  type Request,
  ShardState,
  type TopicsView,
} from '@moldau/groups';
import type { ShardKind, ShardOwner } from '@moldau/shards';
import type { ShardWatch } from './shard-watch.ts';

export type GroupOwner = ShardOwner<Request, Reply, Frame>;

/** Shards of groups. `topics`: all that there are when a shard is loaded. `watch` looks on. */
export const groupKind = (
  topics: () => TopicsView,
  options: GroupOptions,
  watch: ShardWatch,
): ShardKind<Request, Reply, Frame> => ({
  tick: { kind: 'tick' },
  replay() {
    const state = new ShardState();
    return {
      apply: (record) => state.apply(decodeRecord(record)),
      finish(now) {
        const shard = new GroupShard(state, topics(), options, now);
        watch.loaded(state);
        return {
          get nextDeadlineMs() {
            return shard.nextDeadlineMs;
          },
          step(request, at) {
            const { records, reply, frames } = shard.step(request, at);
            watch.stepped(request, records, reply);
            return {
              ...{ records: records.map(encodeRecord), reply, frames },
              parkedBytes: parkedPartitions(reply, frames) * partitionCostBytes,
            };
          },
        };
      },
    };
  },
});

/** Of one partition in an answer that waits: measured 45 for a committed offset. */
const partitionCostBytes = 64;

function parkedPartitions(reply: Reply, frames: readonly Frame[]): number {
  const sent = frames.reduce((sum, { frame }) => sum + (frame.kind === 'assignment' ? frame.assigned.length : 0), 0);
  if (reply.kind === 'offsets') return sent + reply.offsets.size;
  if (reply.kind === 'groups') return sent + reply.groups.length;
  if (reply.kind !== 'described') return sent;
  const { offsets, members } = reply.description;
  return sent + offsets.size + members.reduce((sum, { assigned }) => sum + 1 + assigned.length, 0);
}
