import { MoldauError, type NodeId } from '@moldau/kernel';

/** Which node, of which cluster, a peer believes to have reached. */
interface Meant {
  readonly clusterId: string;
  /** Who speaks. */
  readonly nodeId: number;
  readonly leaderId: number;
}

/** Throws WRONG_CLUSTER or NOT_SERVING when a peer means someone else: addresses change hands. */
export function requireReached(
  { me, clusterId }: { readonly me: NodeId; clusterId(): string },
  { clusterId: meant, nodeId, leaderId }: Meant,
): void {
  const cluster = clusterId();
  if (meant !== cluster) throw wrongCluster(nodeId, meant, cluster);
  if (leaderId !== me) throw wrongNode(leaderId, me);
}

const wrongCluster = (node: number, cluster: string, expected: string): MoldauError =>
  new MoldauError(
    'WRONG_CLUSTER',
    `node ${node} belongs to cluster ${cluster}, and this is ${expected}: correct its address, or the coordinators of one of the two`,
    {
      cluster,
      expected_cluster: expected,
    },
  );

const wrongNode = (meant: number, me: NodeId): MoldauError =>
  new MoldauError('NOT_SERVING', `node ${meant} is meant, and this is node ${me}: its address has changed hands`, {
    node: me,
  });
