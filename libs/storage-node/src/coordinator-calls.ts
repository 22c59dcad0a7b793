import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Millis } from '@moldau/kernel';
import {
  ControllerService,
  type IsrChangeSchema,
  type IsrResult,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { NodeLink } from '@moldau/routing';
import type { ProducerIdBlock } from './producer-ids.ts';

const { method } = ControllerService;

/** A change of in-sync replicas without an answer is asked for again by whoever wanted it. */
const alterIsrMs: Millis = 5_000;

/** Takes producer ids that nobody else has. Rejects with NOT_SERVING while the node is not registered. */
export async function takeProducerIds(link: NodeLink): Promise<ProducerIdBlock> {
  const { channel, sender } = link.requireRegistered();
  return channel.unary(method.allocateProducerIds, sender);
}

/** Asks for other in-sync replicas. Rejects when there is no answer: then nothing is known. */
export async function alterIsr(
  link: NodeLink,
  changes: readonly MessageInitShape<typeof IsrChangeSchema>[],
): Promise<readonly IsrResult[]> {
  const { channel, sender } = link.requireRegistered();
  const request = { ...sender, changes: [...changes] };
  return (await channel.unary(method.alterIsr, request, { timeoutMs: alterIsrMs })).results;
}
