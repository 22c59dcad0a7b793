import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { type ServedService, serve } from '@moldau/rpc';
import { append } from './append.ts';
import { AppendBridge } from './append-bridge.ts';
import { FetchBridge } from './fetch-bridge.ts';
import { initProducer } from './init-producer.ts';
import { listOffsets } from './list-offsets.ts';
import type { GatewayParts } from './parts.ts';
import { read } from './read.ts';
import type { Named } from './routes.ts';
import { trimPartition } from './trim-partition.ts';

/** What the service is made of. */
export interface LogServiceParts extends GatewayParts {
  /** Throws NOT_SERVING while the gateway does not serve. */
  readonly requireServing: () => void;
  /** Asks a coordinator, so that nothing is called unknown that is only new. */
  readonly catchUp: () => Promise<void>;
  /** Serves a session to its end, and knows of it until then. Throws OVERLOADED when there are too many. */
  readonly hold: (session: AppendBridge | FetchBridge) => Promise<void>;
}

/** `LogService` of the whole cluster behind one address: every call goes to those who lead. */
export function logService(parts: LogServiceParts): ServedService {
  const { view, requireServing, catchUp, hold } = parts;

  /** Every unary call begins here: with a gateway that serves, and that has heard of the partition if there is one. */
  const ready = async ({ topic, topicId }: Named, highestPartition = 0): Promise<void> => {
    requireServing();
    const known = topicId === undefined ? view.topicByName(topic) : view.topic(topicId);
    if (highestPartition >= (known?.partitions.length ?? 0)) await catchUp();
  };

  return serve(LogService, {
    append: async (request, context) => {
      await ready(request, request.partition);
      return append(request, context, parts);
    },
    appendSession: (session, { keeps }) => hold(new AppendBridge(session, parts, keeps)),
    read: async function* (request, context) {
      await ready(request, request.partition);
      yield* read(request, context, parts);
    },
    fetchSession: (session) => hold(new FetchBridge(session, parts)),
    listOffsets: async (request, context) => {
      await ready(request, Math.max(0, ...request.queries.map(({ partition }) => partition)));
      return listOffsets(request, context, parts);
    },
    trimPartition: async (request, context) => {
      await ready(request, request.partition);
      return trimPartition(request, context, parts);
    },
    initProducer: async (request, context) => {
      requireServing();
      return initProducer(request, context, parts);
    },
  });
}
