import type { ConsumedRecord } from '@moldau/client';
import { usage } from './exit-code.ts';
import type { GlobalOptions } from './settings.ts';

/** Flags of `moldau consume`. */
export interface ConsumeOptions extends GlobalOptions {
  readonly offset?: string;
  readonly count?: string;
  readonly exit?: boolean;
  readonly format?: string;
  readonly json?: boolean;
  readonly partition?: string;
  readonly group?: string;
  readonly pattern?: string;
  readonly instanceId?: string;
  readonly key?: string;
  readonly grep?: string;
}

export type Binary = ConsumedRecord<Uint8Array, Uint8Array>;

/** Memory for records that were fetched and not printed yet, of all topics together. */
export const bufferBytes = 4 * 1024 * 1024;

/** Which records `--key` and `--grep` let pass. Throws a usage error. */
export function recordFilter({ key, grep }: ConsumeOptions): (record: Binary) => boolean {
  const pattern = grep === undefined ? undefined : patternOf(grep);
  const wantedKey = key === undefined ? undefined : Buffer.from(key);
  return (record) => {
    if (wantedKey !== undefined && (record.key === null || !wantedKey.equals(record.key))) return false;
    return pattern === undefined || (record.value !== null && pattern.test(Buffer.from(record.value).toString()));
  };
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (error) {
    throw usage(`--grep ${error instanceof Error ? error.message : String(error)}`);
  }
}
