import { type NodeId, nodeId, StartError } from '@moldau/kernel';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import { readJson, replaceFile, toJson } from './small-files.ts';

const formatVersion = 1;

/** Whose data directory it is: `node.json`, written once. */
export interface NodeIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
}

const pathOf = (directory: string): string => `${directory}/node.json`;

/** Undefined: the directory belongs to nobody yet. Throws a StartError when it can't be told, or is not ours to tell. */
export async function readNodeIdentity(fs: GuardedFileSystem, directory: string): Promise<NodeIdentity | undefined> {
  const json = await readJson(fs, pathOf(directory));
  if (json === undefined) return undefined;
  if (json !== 'bad' && typeof json.formatVersion === 'number' && json.formatVersion > formatVersion) {
    throw new StartError(
      `${directory} was written by a newer Moldau (format ${json.formatVersion}): start that version, or use another directory`,
    );
  }
  if (json === 'bad' || typeof json.clusterId !== 'string' || typeof json.nodeId !== 'number') {
    throw new StartError(
      `${pathOf(directory)} is damaged: restore it (cluster id and node id), or empty the directory`,
    );
  }
  return { clusterId: json.clusterId, nodeId: nodeId(json.nodeId) };
}

export async function writeNodeIdentity(
  fs: GuardedFileSystem,
  directory: string,
  identity: NodeIdentity,
): Promise<void> {
  await replaceFile(fs, pathOf(directory), toJson({ formatVersion, ...identity }));
}

/** Refuses a directory of another cluster or node. */
export function checkNodeIdentity(
  directory: string,
  found: NodeIdentity,
  expected: { readonly clusterId?: string | undefined; readonly nodeId: NodeId },
): void {
  if (expected.clusterId !== undefined && found.clusterId !== expected.clusterId) {
    throw new StartError(
      `${directory} belongs to cluster ${found.clusterId}, not to ${expected.clusterId}: use another directory, or join that cluster`,
    );
  }
  if (found.nodeId !== expected.nodeId) {
    throw new StartError(
      `${directory} belongs to node ${found.nodeId}, not to node ${expected.nodeId}: use another directory, or that node id`,
    );
  }
}
