import { create, type DescMessage, toBinary } from '@bufbuild/protobuf';
import { ReplicaDataSchema, ReplicateResponseSchema } from '@moldau/proto/moldau/internal/v1/replication_pb';
import {
  AppendBatchesSchema,
  AppendEntrySchema,
  AppendSessionRequestSchema,
  FetchBatchesSchema,
  FetchEntrySchema,
  FetchSessionResponseSchema,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { Pieces } from './pieces.ts';

// Frames that carry record batches. The general encoder moves a batch for each message that it lies in, and twice more: five
// copies, and three times its size in memory. Here the lengths are known first, and a batch stays where it is until the frame
// leaves. A frame is
//
//   tag(batches) length { tag(entries) length { the entry's other fields, tag(bytes) length bytes } … }
//
// Fields may come in any order: the bytes of an entry stand last. Between nodes the entries lie in the message itself, behind
// its other fields:
//
//   the message's other fields, tag(entries) length { the entry's other fields, tag(bytes) length bytes } …

/** How a frame of batches is made up. */
interface Shape {
  /** Of the message around the entries. Absent: they lie in the frame itself. */
  readonly batchesTag?: number;
  readonly entriesTag: number;
  readonly entry: DescMessage;
  readonly bytesName: string;
  readonly bytesTag: number;
}

type Entry = Readonly<Record<string, unknown>>;
type Replicated = { readonly data?: readonly Entry[] };
type Framed = { readonly frame?: { readonly case?: string; readonly value?: { readonly entries?: readonly Entry[] } } };

const lengthDelimited = 2;
const tagOf = ({ number }: { readonly number: number }): number => (number << 3) | lengthDelimited;

const shapes: ReadonlyMap<string, Shape> = new Map([
  [
    AppendSessionRequestSchema.typeName,
    {
      batchesTag: tagOf(AppendSessionRequestSchema.field.batches),
      entriesTag: tagOf(AppendBatchesSchema.field.entries),
      entry: AppendEntrySchema,
      bytesName: AppendEntrySchema.field.batch.localName,
      bytesTag: tagOf(AppendEntrySchema.field.batch),
    },
  ],
  [
    FetchSessionResponseSchema.typeName,
    {
      batchesTag: tagOf(FetchSessionResponseSchema.field.batches),
      entriesTag: tagOf(FetchBatchesSchema.field.entries),
      entry: FetchEntrySchema,
      bytesName: FetchEntrySchema.field.batches.localName,
      bytesTag: tagOf(FetchEntrySchema.field.batches),
    },
  ],
  [
    ReplicateResponseSchema.typeName,
    {
      entriesTag: tagOf(ReplicateResponseSchema.field.data),
      entry: ReplicaDataSchema,
      bytesName: ReplicaDataSchema.field.batches.localName,
      bytesTag: tagOf(ReplicaDataSchema.field.batches),
    },
  ],
]);

/** Below so many bytes an entry, the general encoder is as fast. */
const worthBytes = 4 * 1024;
const none = new Uint8Array();

/** `undefined`: this is no frame of large batches. */
export function encodeBatchFrame(schema: DescMessage, message: object): Pieces | undefined {
  const shape = shapes.get(schema.typeName);
  if (shape === undefined) return undefined;
  const entries = entriesOf(message, shape);
  if (entries === undefined) return undefined;
  const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry, shape).length, 0);
  if (bytes === 0 || bytes < worthBytes * entries.length) return undefined;
  const parts = entries.map((entry) => partsOf(entry, shape));
  return framed(parts, shape, besides(schema, message, shape));
}

function entriesOf(message: object, { batchesTag }: Shape): readonly Entry[] | undefined {
  if (batchesTag === undefined) return (message as Replicated).data;
  const { frame } = message as Framed;
  return frame?.case === 'batches' ? frame.value?.entries : undefined;
}

/** What the frame says beside its entries. */
const besides = (schema: DescMessage, message: object, { batchesTag }: Shape): Uint8Array =>
  batchesTag === undefined ? toBinary(schema, create(schema, { ...message, data: [] })) : none;

/** An entry: its bytes, and its other fields encoded. */
interface Parts {
  readonly head: Uint8Array;
  readonly bytes: Uint8Array;
}

function partsOf(entry: Entry, shape: Shape): Parts {
  const { entry: schema, bytesName } = shape;
  const head = toBinary(schema, create(schema, { ...entry, [bytesName]: none }));
  return { head, bytes: bytesOf(entry, shape) };
}

function bytesOf(entry: Entry, { bytesName }: Shape): Uint8Array {
  const bytes = entry[bytesName];
  return bytes instanceof Uint8Array ? bytes : none;
}

function framed(parts: readonly Parts[], shape: Shape, before: Uint8Array): Pieces {
  const { batchesTag, entriesTag, bytesTag } = shape;
  const headBytes = parts.map(({ head, bytes }) => head.length + prefixBytes(bytesTag, bytes.length));
  const entryBytes = parts.map(({ bytes }, index) => (headBytes[index] ?? 0) + bytes.length);
  const insideBytes = entryBytes.reduce((sum, bytes) => sum + prefixBytes(entriesTag, bytes) + bytes, 0);
  const pieces: Uint8Array[] = [before];
  if (batchesTag !== undefined) pieces.push(prefix(batchesTag, insideBytes, none, undefined));
  for (const [index, { head, bytes }] of parts.entries()) {
    pieces.push(prefix(entriesTag, entryBytes[index] ?? 0, head, { tag: bytesTag, length: bytes.length }), bytes);
  }
  return new Pieces(pieces);
}

/** Tag and length of a message, its first bytes, and tag and length of the field that comes behind them. */
function prefix(
  tag: number,
  length: number,
  head: Uint8Array,
  field: { readonly tag: number; readonly length: number } | undefined,
): Uint8Array {
  const fieldBytes = field === undefined ? 0 : prefixBytes(field.tag, field.length);
  const out = Buffer.allocUnsafe(prefixBytes(tag, length) + head.length + fieldBytes);
  const at = writePrefix(out, 0, tag, length);
  out.set(head, at);
  if (field !== undefined) writePrefix(out, at + head.length, field.tag, field.length);
  return out;
}

const prefixBytes = (tag: number, length: number): number => varintBytes(tag) + varintBytes(length);

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** Writes a tag and a length; returns where what is so long begins. */
function writePrefix(out: Uint8Array, at: number, tag: number, length: number): number {
  return writeVarint(out, writeVarint(out, at, tag), length);
}

function writeVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  for (; rest > 0x7f; rest >>>= 7) {
    out[next] = (rest & 0x7f) | 0x80;
    next += 1;
  }
  out[next] = rest;
  return next + 1;
}
