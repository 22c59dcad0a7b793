import { faults, Gate, sleep } from '@moldau/kernel';
import { partitionOfKey, type StoredRecord } from '@moldau/records';
import { type Bounds, msWithin } from '../bounds.ts';
import type { ClientPorts } from '../client-ports.ts';
import { codec } from '../codec.ts';
import { checkOptionNames, type OptionNames } from '../option-names.ts';
import type { Producer, ProducerOptions } from '../producer.ts';
import { type Duration, toMs } from '../quantities.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import type { GroupRecord } from './group-consumer.ts';

/** How records are handled. */
export interface RunOptions {
  /** Handlers at one time. Default 1. */
  readonly concurrency?: number;
  /** What must be handled in its order: the records of a partition, or those of a key. Default `partition`. */
  readonly ordering?: 'partition' | 'key';
  /** How often a handler that fails is called, all in all, and how long it is waited between. Default: once. */
  readonly retry?: { readonly attempts: number; readonly backoff?: Duration };
  /**
   * A topic for records whose handler has failed for good, or that can't be decoded, with the reason in their headers. Made when
   * the first of them comes, if it does not exist. A record of that topic itself ends the run when its handler has failed for good.
   */
  readonly deadLetter?: string;
  /** Aborted: nothing new is begun, and `run` resolves when what was begun has ended. */
  readonly signal?: AbortSignal;
}

/** A record before it is decoded. */
export interface Taken {
  readonly assigned: AssignedPartition;
  readonly stored: StoredRecord;
}

/** What a run works with. */
export interface GroupRun<K, V> {
  readonly group: string;
  /** `undefined`: there is nothing any more. */
  take(signal: AbortSignal): Promise<Taken | undefined>;
  /** Throws what a codec throws. */
  decode(taken: Taken): GroupRecord<K, V>;
  producer(options: ProducerOptions<Uint8Array, Uint8Array>): Producer<Uint8Array, Uint8Array>;
  readonly ports: ClientPorts;
}

type Handle<K, V> = (record: GroupRecord<K, V>, signal: AbortSignal) => unknown;

/** Records that were taken and are not done: per handler, so that few slow ones do not hold many. */
const aheadEach = 64;

/** Handles records side by side. Rejects with the first failure for good; everything that was begun has ended by then. */
export async function runGroup<K, V>(run: GroupRun<K, V>, options: RunOptions, handle: Handle<K, V>): Promise<void> {
  const { concurrency = 1, deadLetter } = checked(options);
  const deadLetters =
    deadLetter === undefined ? undefined : run.producer({ topic: deadLetter, key: codec.bytes, value: codec.bytes });
  const lanes = Array.from({ length: concurrency }, () => Promise.resolve());
  const stopping = new AbortController();
  const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]);
  const room = new Gate();
  let ahead = 0;
  let failure: { readonly error: unknown } | undefined;
  try {
    for (;;) {
      while (ahead >= concurrency * aheadEach && !signal.aborted) await room.wait();
      const taken = await run.take(signal);
      if (taken === undefined) break;
      const { assigned, stored } = taken;
      // The reader goes on with the same object.
      const copied: Taken = { assigned, stored: copyOf(stored) };
      const inHand = assigned.take(stored.offset);
      ahead += 1;
      const lane = laneOf(copied, options, concurrency);
      const before = lanes[lane] ?? Promise.resolve();
      lanes[lane] = before
        .then(async () => {
          // What is to be given up, or comes behind what has failed, is not begun.
          if (assigned.signal.aborted || failure !== undefined || signal.aborted) return;
          if (await handled(run, copied, options, handle, deadLetters)) assigned.finish(inHand);
        })
        .catch((error: unknown) => {
          failure ??= { error };
          stopping.abort();
        })
        .finally(() => {
          ahead -= 1;
          room.open();
          // Unless it is done.
          assigned.drop(inHand);
        });
    }
  } finally {
    await Promise.all(lanes);
    await deadLetters?.close();
  }
  if (failure !== undefined) throw failure.error;
}

/** True: done with. False: its partition was taken away meanwhile. Rejects when nothing helps. */
async function handled<K, V>(
  run: GroupRun<K, V>,
  taken: Taken,
  { retry, deadLetter }: RunOptions,
  handle: Handle<K, V>,
  deadLetters: Producer<Uint8Array, Uint8Array> | undefined,
): Promise<boolean> {
  const { signal } = taken.assigned;
  const attempts = retry?.attempts ?? 1;
  const backoffMs = toMs(retry?.backoff ?? defaultBackoff);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await handle(run.decode(taken), signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (attempt >= attempts) {
        // What is dead already has no better place: it would come again for ever.
        if (deadLetters === undefined || taken.assigned.topic === deadLetter) throw error;
        await deadLetters.send(deadLetterOf(run.group, taken, error, attempt));
        return true;
      }
      await sleep(run.ports.timers, backoffMs * 2 ** (attempt - 1), signal).catch(() => {});
      if (signal.aborted) return false;
    }
  }
}

const defaultBackoff = '1s';
const utf8 = new TextEncoder();

function deadLetterOf(group: string, { assigned, stored }: Taken, error: unknown, attempts: number) {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const said = {
    'dead-letter-reason': reason,
    'dead-letter-topic': assigned.topic,
    'dead-letter-partition': assigned.partition,
    'dead-letter-offset': stored.offset,
    'dead-letter-group': group,
    'dead-letter-attempts': attempts,
  };
  const headers = Object.entries(said).map(([name, value]) => ({ name, value: utf8.encode(String(value)) }));
  return { key: stored.key, value: stored.value, headers: [...stored.headers, ...headers] };
}

const copyOf = ({ offset, timestampMs, key, value, headers }: Taken['stored']): Taken['stored'] => ({
  ...{ offset, timestampMs, key, value, headers },
});

/** Records of one lane are handled one after the other. */
function laneOf({ assigned, stored }: Taken, { ordering = 'partition' }: RunOptions, lanes: number): number {
  const name = utf8.encode(assigned.name);
  const { key } = stored;
  if (ordering === 'partition' || key === null) return partitionOfKey(name, lanes);
  return partitionOfKey(key, lanes);
}

function checked(options: RunOptions): RunOptions {
  checkOptionNames('`run`', options, names);
  const { concurrency = 1, ordering = 'partition', retry, deadLetter } = options;
  if (deadLetter !== undefined && (typeof deadLetter !== 'string' || deadLetter === ''))
    throw faults.invalidRequest('deadLetter', 'is no name of a topic');
  if (!(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= concurrencyMax))
    throw faults.invalidRequest('concurrency', `is ${concurrency}: from 1 to ${concurrencyMax}`);
  if (retry !== undefined && !(Number.isInteger(retry.attempts) && retry.attempts >= 1))
    throw faults.invalidRequest('retry.attempts', `is ${retry.attempts}: at least 1`);
  if (retry?.backoff !== undefined) msWithin('retry.backoff', retry.backoff, backoffBounds);
  if (ordering !== 'partition' && ordering !== 'key')
    throw faults.invalidRequest('ordering', `is ${JSON.stringify(ordering)}: use 'partition' or 'key'`);
  return options;
}

const names: OptionNames<RunOptions> = {
  ...{ concurrency: true, ordering: true, retry: true, deadLetter: true, signal: true },
};
const backoffBounds: Bounds = [0, 3_600_000];
const concurrencyMax = 10_000;
