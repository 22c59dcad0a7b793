import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import type { Json, Row } from './listing.ts';

/** A message as JSON with the names of the contract; what is not set shows its default. */
export function rowOf<D extends DescMessage>(schema: D, message: MessageShape<D>): Row {
  const json = toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true });
  return isRow(json) ? json : { value: json };
}

const isRow = (json: Json): json is Row => typeof json === 'object' && json !== null && !Array.isArray(json);

/** The name of an enum's value, in small letters. A value of a newer contract is shown as its number. */
export function wordOf(values: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(values).find((candidate) => values[candidate] === value);
  return name?.toLowerCase() ?? String(value);
}
