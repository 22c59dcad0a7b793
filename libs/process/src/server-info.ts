import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GetServerInfoResponseSchema } from '@moldau/proto/moldau/server/v1/server_info_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import { type Limits, type ServedService, serve } from '@moldau/rpc';

/** What a process says of itself, but for its limits. */
export type ProcessIdentity = Pick<
  Exclude<MessageInitShape<typeof GetServerInfoResponseSchema>, { $typeName: string }>,
  'version' | 'roles' | 'nodeId' | 'capabilities'
>;

const protocolVersion = 1;

/** The largest batch that any topic may allow. */
export const batchBytesMax = 8 * 1024 * 1024 + 64 * 1024;
/** What one append session may send before it is given more credit. */
export const sessionWindowBytes = 4 * 1024 * 1024;
/** Clients that are asked to leave have so long. */
export const drainMs = 1_000;

/** Serves GetServerInfo. `clusterId` is asked at each call: a new process learns it when it joins. */
export const serverInfo = (identity: ProcessIdentity, limits: Limits, clusterId: () => string): ServedService =>
  serve(ServerInfoService, {
    getServerInfo: async () => ({
      ...identity,
      protocolVersion,
      clusterId: clusterId(),
      limits: {
        maxBatchBytes: limits.frameBytesMax - frameOverheadBytes,
        maxFrameBytes: limits.frameBytesMax,
        maxControlBytes: limits.controlBytesMax,
        maxStreamsPerConnection: limits.streamsPerConnectionMax,
        maxStreamBytes: limits.windowBytes,
      },
    }),
  });

const frameOverheadBytes = 64 * 1024;
