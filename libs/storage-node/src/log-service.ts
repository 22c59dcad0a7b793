import { hasReason, type Millis, sleep, type Timers } from '@moldau/kernel';
import { InternalLogService } from '@moldau/proto/moldau/internal/v1/log_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { type ServedService, serve } from '@moldau/rpc';
import { type AppendPorts, append } from './append.ts';
import { type AppendSessionPorts, AppendStream } from './append-session.ts';
import { type FetchSessionPorts, FetchStream } from './fetch-session.ts';
import { listOffsets } from './list-offsets.ts';
import { aboutToBeOpened, type Named } from './partitions.ts';
import type { ProducerIds } from './producer-ids.ts';
import { read } from './read.ts';
import { requireReadable } from './readable.ts';
import { trimPartition } from './trim.ts';

/** What the service is made of. */
export interface LogServiceParts extends AppendPorts, AppendSessionPorts, FetchSessionPorts {
  readonly producerIds: ProducerIds;
  /** Throws NOT_SERVING while the node does not serve. */
  readonly requireServing: () => void;
  /** Asks a coordinator, so that nothing is called unknown that is only new. */
  readonly catchUp: () => Promise<void>;
  /** Serves a session to its end, and knows of it until then. */
  readonly hold: (session: AppendStream | FetchStream) => Promise<void>;
}

/** `LogService` of a storage node: one file a message, put together here. */
export function logService(parts: LogServiceParts): ServedService {
  const { partitions, producerIds, requireServing, catchUp, hold, timers } = parts;

  /** Every unary call begins here: with a node that serves, and that has heard of the partition if there is one. */
  const ready = async (topic: Named, highestPartition = 0): Promise<void> => {
    requireServing();
    if (!partitions.isKnown(topic, highestPartition)) await catchUp();
  };

  return serve(LogService, {
    append: async (request) => {
      await ready(request, request.partition);
      return whenOpened(timers, () => append(request, parts));
    },
    appendSession: (session, { keeps }) => hold(new AppendStream(session, parts, keeps, 'user')),
    read: async function* (request, context) {
      await ready(request, request.partition);
      await whenOpened(timers, async () =>
        requireReadable(partitions.find(request, request.partition), request.anyReplica),
      );
      yield* read(request, partitions, context);
    },
    fetchSession: (session, { keeps }) => hold(new FetchStream(session, parts, keeps)),
    listOffsets: async (request) => {
      await ready(request, Math.max(0, ...request.queries.map(({ partition }) => partition)));
      return listOffsets(request, partitions);
    },
    trimPartition: async (request, { signal }) => {
      await ready(request, request.partition);
      return whenOpened(timers, () => trimPartition(request, partitions, signal));
    },
    initProducer: async (request) => {
      requireServing();
      return producerIds.init(request.producerId, request.producerEpoch);
    },
  });
}

/** `InternalLogService`: for those who own a part of an internal topic. */
export const internalLogService = (parts: AppendSessionPorts & Pick<LogServiceParts, 'hold'>): ServedService =>
  serve(InternalLogService, {
    appendSession: (session, { keeps }) => parts.hold(new AppendStream(session, parts, keeps, 'owner')),
  });

const patienceMs: Millis = 2_000;
const lookEveryMs: Millis = 20;

/**
 * Whoever has just created a topic comes before the news of it has been carried out here: a moment's patience spares every
 * plain client a retry. An attempt that throws has written nothing.
 */
async function whenOpened<T>(timers: Timers, attempt: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    try {
      return await attempt();
    } catch (error) {
      if (waitedMs >= patienceMs || !mayBeOpening(error)) throw error;
    }
    await sleep(timers, lookEveryMs);
  }
}

const mayBeOpening = (error: unknown): boolean =>
  (hasReason(error, 'NOT_SERVING') && error.fields.state === aboutToBeOpened) ||
  (hasReason(error, 'NOT_LEADER') && error.fields.leader === undefined);
