import type { DescService } from '@bufbuild/protobuf';
import { assert } from '@moldau/kernel';

/** Who may call: everyone, whoever may use the cluster, or its nodes only. */
export type Access = 'public' | 'client' | 'node';

/** The rule of one method. */
export interface MethodPolicy {
  readonly access: Access;
  /** Which limit holds for a message of the caller. */
  readonly sizeClass: 'frame' | 'control';
  /** The server ends the call after this long, and the client by default; `none`: it lives as long as it likes. */
  readonly deadlineMs: number | 'none';
  /** The request's flag that lifts the deadline. */
  readonly endlessIf?: string;
  /** True when the same call may be made twice without harm. */
  readonly idempotent: boolean;
}

const second = 1000;

const ask: MethodPolicy = { access: 'client', sizeClass: 'control', deadlineMs: 10 * second, idempotent: true };
const change: MethodPolicy = { access: 'client', sizeClass: 'control', deadlineMs: 30 * second, idempotent: false };
const session: MethodPolicy = { access: 'client', sizeClass: 'frame', deadlineMs: 'none', idempotent: false };
const watch: MethodPolicy = { access: 'client', sizeClass: 'control', deadlineMs: 'none', idempotent: true };

/** Every method of the contract. A method that is missing here can't be served. */
const policies: Readonly<Record<string, MethodPolicy>> = {
  'moldau.server.v1.ServerInfoService/GetServerInfo': { ...ask, access: 'public' },

  // The largest timeout of an append is 60 s: its own error must come before the deadline's.
  'moldau.log.v1.LogService/Append': { ...change, sizeClass: 'frame', deadlineMs: 70 * second },
  'moldau.log.v1.LogService/AppendSession': session,
  'moldau.log.v1.LogService/Read': { ...ask, deadlineMs: 600 * second, endlessIf: 'follow' },
  'moldau.log.v1.LogService/FetchSession': session,
  'moldau.log.v1.LogService/ListOffsets': ask,
  'moldau.log.v1.LogService/TrimPartition': { ...change, idempotent: true },
  'moldau.log.v1.LogService/InitProducer': change,

  'moldau.cluster.v1.ClusterService/GetMetadata': ask,
  'moldau.cluster.v1.ClusterService/WatchMetadata': watch,
  'moldau.cluster.v1.ClusterService/CreateTopic': change,
  'moldau.cluster.v1.ClusterService/DeleteTopic': change,
  'moldau.cluster.v1.ClusterService/DescribeTopic': ask,
  'moldau.cluster.v1.ClusterService/ListTopics': ask,
  'moldau.cluster.v1.ClusterService/UpdateTopic': change,
  'moldau.cluster.v1.ClusterService/DescribeCluster': ask,
  'moldau.cluster.v1.ClusterService/ListNodes': ask,
  'moldau.cluster.v1.ClusterService/DrainNode': change,
  'moldau.cluster.v1.ClusterService/ReassignPartitions': change,
  'moldau.cluster.v1.ClusterService/ListReassignments': ask,

  'moldau.group.v1.GroupService/JoinSession': session,
  // Ten thousand partitions are more than a control message takes.
  'moldau.group.v1.GroupService/CommitOffsets': { ...change, sizeClass: 'frame', idempotent: true },
  'moldau.group.v1.GroupService/GetOffsets': { ...ask, sizeClass: 'frame' },
  'moldau.group.v1.GroupService/ListGroups': ask,
  'moldau.group.v1.GroupService/DescribeGroup': ask,
  'moldau.group.v1.GroupService/DeleteGroup': change,
  'moldau.group.v1.GroupService/SeekGroup': { ...change, sizeClass: 'frame', idempotent: true },
  'moldau.group.v1.GroupService/FindGroupCoordinator': ask,

  'moldau.group.v1.SubscriptionService/Subscribe': session,

  'moldau.internal.v1.ControllerService/RegisterNode': { ...change, access: 'node' },
  'moldau.internal.v1.ControllerService/NodeSession': { ...session, access: 'node' },
  'moldau.internal.v1.ControllerService/AlterIsr': {
    ...change,
    access: 'node',
    sizeClass: 'frame',
    deadlineMs: 10 * second,
  },
  'moldau.internal.v1.ControllerService/AllocateProducerIds': { ...change, access: 'node' },

  'moldau.internal.v1.InternalLogService/AppendSession': { ...session, access: 'node' },
  'moldau.internal.v1.ReplicationService/Replicate': { ...session, access: 'node' },
  'moldau.internal.v1.ReplicationService/HashRange': { ...ask, access: 'node', deadlineMs: 30 * second },
};

/** The names of all methods that have a rule: `package.Service/Method`. */
export const policyNames: readonly string[] = Object.keys(policies);

/** The rule of a method, by `package.Service/Method`. */
export function policyOf(service: DescService, method: string): MethodPolicy {
  const found = policies[`${service.typeName}/${method}`];
  assert(found !== undefined, `${service.typeName}/${method} has no policy: add it to policy.ts`);
  return found;
}

/** How long a call may take: the policy's deadline or what the caller asks, whichever is shorter. */
export function deadlineOf(
  policy: MethodPolicy,
  request: object | undefined,
  asked: number | undefined,
): number | undefined {
  const { deadlineMs, endlessIf } = policy;
  const lifted = endlessIf !== undefined && request !== undefined && Reflect.get(request, endlessIf) === true;
  const own = deadlineMs === 'none' || lifted ? undefined : deadlineMs;
  return own === undefined || asked === undefined ? (own ?? asked) : Math.min(own, asked);
}
