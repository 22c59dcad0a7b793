import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, faults, type MoldauError, type Random, type Timers } from '@moldau/kernel';
import type { AppendRequest, AppendResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchBuilder, partitionOfKey } from '@moldau/records';
import { appendTimeout } from '@moldau/routing';
import type { AppendBudget } from './append-budget.ts';
import type { Appended } from './parked-appends.ts';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import { acksFrom, newRecord, offsetFrom, tokenFrom } from './wire.ts';

type Response = MessageInitShape<typeof AppendResponseSchema>;

/** What a unary append works with. */
export interface AppendPorts {
  readonly partitions: Partitions;
  readonly budget: AppendBudget;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Throws while no append may begin: the disk is full, the node is leaving. */
  readonly admit: () => void;
}

/** Records of one call: what takes one turn of the loop to encode. */
const maxRecords = 100_000;
// What the fields of a batch header hold.
const maxProducerEpoch = 2 ** 15 - 1;
const maxSequence = 2 ** 31 - 1;

/** Serves `LogService.Append`: one batch, answered when it is committed. */
export async function append(request: AppendRequest, ports: AppendPorts): Promise<Response> {
  const partition = choosePartition(request, ports);
  partition.requireWriter('user', 'append to');
  partition.requireLeader();
  ports.budget.requireRoom();
  const nowMs = ports.clock.wallMs();
  const batch = request.batch.length > 0 ? request.batch : encode(request, nowMs);
  const appended = await commit(partition, batch, request, ports);
  return {
    partition: partition.log.identity.partition,
    timestampMs: BigInt(appended.timestampMs ?? nowMs),
    ...(appended.baseOffset !== undefined && { baseOffset: appended.baseOffset }),
    ...(appended.lastOffset !== undefined && { lastOffset: appended.lastOffset }),
  };
}

function choosePartition(request: AppendRequest, ports: AppendPorts): Partition {
  const { partition, records, batch } = request;
  if (records.length > 0 && batch.length > 0) throw faults.invalidRequest('records', 'and batch exclude each other');
  if (records.length > maxRecords) {
    throw faults.invalidRequest('records', `has ${records.length}: at most ${maxRecords} in one call`);
  }
  if (records.length === 0 && batch.length === 0) throw faults.invalidRequest('records', 'is empty: give one or more');
  if (partition !== undefined) return ports.partitions.find(request, partition);
  if (batch.length > 0) throw faults.invalidRequest('partition', 'is missing: a batch needs one');
  const key = records[0]?.key;
  if (key === undefined) return anyPartition(request, ports);
  return ports.partitions.find(request, partitionOfKey(key, ports.partitions.count(request)));
}

/** One that this node leads, if there is any. */
function anyPartition(request: AppendRequest, { partitions, random }: AppendPorts): Partition {
  const led = partitions.ledOf(request);
  const chosen = led[Math.floor(random.next() * led.length)];
  return chosen ?? partitions.find(request, Math.floor(random.next() * partitions.count(request)));
}

function encode({ records, producerId, producerEpoch, sequence }: AppendRequest, nowMs: number): Uint8Array {
  if (producerEpoch > maxProducerEpoch) throw faults.invalidRequest('producer_epoch', `is above ${maxProducerEpoch}`);
  if (sequence > maxSequence) throw faults.invalidRequest('sequence', `is above ${maxSequence}`);
  const builder = new BatchBuilder();
  for (const [index, record] of records.entries()) {
    for (const { name } of record.headers) {
      if (name === '') throw faults.invalidRequest(`records[${index}].headers`, 'has a header without a name');
    }
    builder.add(newRecord(record, nowMs));
  }
  if (producerId === undefined) return builder.build();
  return builder.build('none', { id: producerId, epoch: producerEpoch, baseSequence: sequence });
}

function commit(
  partition: Partition,
  batch: Uint8Array,
  request: AppendRequest,
  ports: AppendPorts,
): Promise<Appended> {
  const { budget, timers, admit } = ports;
  const timeoutMs = appendTimeout(request.timeoutMs);
  const expected = request.expectedOffset;
  return new Promise((resolve, reject) => {
    const options = {
      admit,
      acks: acksFrom(request.acks),
      ...(expected !== undefined && { expectedOffset: offsetFrom('expected_offset', expected) }),
      ...tokenFrom(request.fencingToken),
    };
    // The batch belongs to the log once it is appended.
    const bytes = batch.length;
    budget.hold(bytes);
    const settle = (error: MoldauError | undefined, appended: Appended | undefined): void => {
      cancelTimeout();
      budget.free(bytes);
      if (appended === undefined) reject(error);
      else resolve(appended);
    };
    const cancelTimeout = timers.after(timeoutMs, () => reject(faults.timedOut(partition.name, timeoutMs)));
    try {
      partition.append(batch, options, settle);
    } catch (error) {
      cancelTimeout();
      budget.free(bytes);
      reject(error);
    }
  });
}
