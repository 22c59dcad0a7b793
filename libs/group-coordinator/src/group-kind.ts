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

export type GroupOwner = ShardOwner<Request, Reply, Frame>;

/** Shards of groups. `topics`: all that there are when a shard is loaded. */
export const groupKind = (topics: () => TopicsView, options: GroupOptions): ShardKind<Request, Reply, Frame> => ({
  tick: { kind: 'tick' },
  replay() {
    const state = new ShardState();
    return {
      apply: (record) => state.apply(decodeRecord(record)),
      finish(now) {
        const shard = new GroupShard(state, topics(), options, now);
        return {
          get nextDeadlineMs() {
            return shard.nextDeadlineMs;
          },
          step(request, at) {
            const { records, reply, frames } = shard.step(request, at);
            return { records: records.map(encodeRecord), reply, frames };
          },
        };
      },
    };
  },
});
