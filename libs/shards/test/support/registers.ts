import type { MoldauError } from '@moldau/kernel';
import type { EncodedRecord, ShardKind, ShardMachine } from '../../src/index.ts';

/** A shard of numbered registers, each of which counts how often it was added to. */
export type Request =
  | { readonly kind: 'add'; readonly key: string; readonly by: number }
  /** `bytes`: what the answer is said to hold. */
  | { readonly kind: 'get'; readonly key: string; readonly bytes?: number }
  | { readonly kind: 'tick' }
  /** A machine with a bug. */
  | { readonly kind: 'break' };

/** `value`: of the register; `told`: to whomever listens. */
export type Machine = ShardMachine<Request, number, string>;

export const recordOf = (key: string, value: number): EncodedRecord => ({
  key: Buffer.from(key),
  value: Buffer.from(String(value)),
});

/** `states` hears of every state that a replay or an owner makes: the live one. */
export function registers(
  states: Map<string, number>[] = [],
  tickEveryMs?: number,
): ShardKind<Request, number, string> {
  return {
    tick: { kind: 'tick' },
    replay() {
      const state = new Map<string, number>();
      states.push(state);
      return {
        apply({ key, value }) {
          state.set(Buffer.from(key).toString(), Number(Buffer.from(value ?? []).toString()));
        },
        finish: (now): Machine =>
          machineOf(state, tickEveryMs === undefined ? undefined : now.monotonicMs + tickEveryMs),
      };
    },
  };
}

function machineOf(state: Map<string, number>, firstTickMs: number | undefined): Machine {
  let nextDeadlineMs = firstTickMs;
  const add = (key: string, by: number) => {
    const value = (state.get(key) ?? 0) + by;
    state.set(key, value);
    return { records: [recordOf(key, value)], reply: value, frames: [`${key}=${value}`], parkedBytes: 0 };
  };
  return {
    get nextDeadlineMs() {
      return nextDeadlineMs;
    },
    step(request) {
      switch (request.kind) {
        case 'add':
          return add(request.key, request.by);
        case 'get':
          return { records: [], reply: state.get(request.key) ?? 0, frames: [], parkedBytes: request.bytes ?? 0 };
        case 'tick':
          nextDeadlineMs = undefined;
          return add('ticks', 1);
        case 'break':
          state.set('half', 1);
          throw new Error('a bug');
      }
    },
  };
}

/** What became of a request: its reply, or the reason and the outcome of its error. */
export const told = (error: MoldauError | undefined, reply: number | undefined): string | number =>
  error === undefined ? (reply ?? Number.NaN) : `${error.reason} ${error.outcome}`;
