import type { Millis } from '@moldau/kernel';
import type { ServedService } from '@moldau/rpc';
import type { ProcessSettings } from './process-settings.ts';
import type { RunningService } from './program.ts';
import { type ServedOptions, serveServices } from './served.ts';
import { drainMs, type ProcessIdentity, serverInfo } from './server-info.ts';

/** A node of the cluster, as its process sees it. */
interface ServableNode {
  /** Empty while it does not know. */
  readonly clusterId: string;
  readonly failed: Promise<never>;
  services(): ServedService[];
  /** `address`: where others reach it. Its services are served there by then. */
  start(address: string): Promise<void>;
  handOver(): Promise<void>;
  drain(graceMs: Millis): void;
  stop(): Promise<void>;
}

/** Serves a node, and starts it. One that can't start is stopped as one that was told to. */
export async function serveNode(
  node: ServableNode,
  identity: ProcessIdentity,
  settings: ProcessSettings,
  options: ServedOptions,
): Promise<Omit<RunningService, 'problem'>> {
  const services = [...node.services(), serverInfo(identity, options.limits, () => node.clusterId)];
  const served = await serveServices(services, settings, options);
  const stop = async (): Promise<void> => {
    await node.handOver();
    node.drain(drainMs);
    await served.drain(drainMs);
    await node.stop();
  };
  try {
    await node.start(served.address);
  } catch (error) {
    await stop();
    throw error;
  }
  served.ready();
  const { host, port } = served;
  return { host, port, stop, failed: node.failed };
}
