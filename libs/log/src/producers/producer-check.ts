import { MoldauError, type Offset, unreachable } from '@moldau/kernel';
import { type BatchHeader, noProducer } from '@moldau/records';
import type { AppendResult } from '../append-result.ts';
import type { ProducerTable } from './producer-table.ts';

/** The duplicate check. Undefined: the batch is new, and follows. Throws when it may not be written. */
export function checkProducer(table: ProducerTable, header: BatchHeader): AppendResult | undefined {
  if (header.producerId === noProducer) return undefined;
  const id = header.producerId;
  const verdict = table.judge(header);
  switch (verdict.kind) {
    case 'accept':
      return undefined;
    case 'duplicate': {
      const { baseOffset, lastOffset } = verdict.entry;
      return { kind: 'duplicate', baseOffset, lastOffset, commitsAt: (lastOffset + 1n) as Offset };
    }
    case 'old-duplicate':
      return { kind: 'duplicate', commitsAt: (verdict.oldest.lastOffset + 1n) as Offset };
    case 'fenced':
      throw new MoldauError(
        'PRODUCER_FENCED',
        `producer ${id} has written under epoch ${verdict.currentEpoch}: this one, of epoch ${header.producerEpoch}, must end`,
        { producer_id: id, epoch: header.producerEpoch, current_epoch: verdict.currentEpoch },
      );
    case 'out-of-order':
      throw new MoldauError(
        'OUT_OF_ORDER_SEQUENCE',
        `producer ${id} sent sequence ${header.baseSequence} where ${verdict.expected} was due: take a new producer epoch`,
        { producer_id: id, expected: verdict.expected, actual: header.baseSequence },
      );
    case 'unknown-producer':
      throw new MoldauError(
        'UNKNOWN_PRODUCER',
        `producer ${id} is not known here, and its batch does not start at sequence 0: take a new producer epoch`,
        { producer_id: id },
      );
    default:
      return unreachable(verdict, 'producer verdict');
  }
}
