import {
  type Clock,
  hasReason,
  jittered,
  type Millis,
  MoldauError,
  type Random,
  sleep,
  type Timers,
} from '@moldau/kernel';
import type { ClusterView } from '@moldau/routing';
import type { CallContext } from '@moldau/rpc';

/** What a search works with. */
export interface SearchPorts {
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

const firstPauseMs = 20;
const lastPauseMs = 1_000;

/** Paces the attempts of one call to reach whoever can answer it: after each, a newer view of the cluster is waited for. */
export class LeaderSearch {
  readonly #ports: SearchPorts;
  readonly #signal: AbortSignal;
  readonly #patienceMs: Millis;
  #giveUpAt: Millis;
  #pauseMs = firstPauseMs;
  #version: bigint;

  /** Gives up `patienceMs` after its beginning, or after the last `progress`. */
  constructor(ports: SearchPorts, patienceMs: Millis, signal: AbortSignal) {
    this.#ports = ports;
    this.#signal = signal;
    this.#patienceMs = patienceMs;
    this.#giveUpAt = ports.clock.monotonicMs() + patienceMs;
    this.#version = ports.view.version;
  }

  /** For a unary call: gives up at half of the time its caller has left, so that the error still arrives; `patienceMs` at most. */
  static within(ports: SearchPorts, { signal, timeLeftMs }: CallContext, patienceMs: Millis): LeaderSearch {
    return new LeaderSearch(ports, Math.min(patienceMs, (timeLeftMs() ?? patienceMs) / 2), signal);
  }

  /** What is left of its patience, at least 1 ms. */
  get leftMs(): Millis {
    return Math.max(1, this.#giveUpAt - this.#ports.clock.monotonicMs());
  }

  /** Something came: it has all its patience again. */
  progress(): void {
    this.#giveUpAt = this.#ports.clock.monotonicMs() + this.#patienceMs;
    this.#pauseMs = firstPauseMs;
  }

  /** Finds who can answer, and asks; asks again, there or elsewhere, while the error says that this can help. */
  async ask<A, T>(
    find: () => A,
    attempt: (answerer: A) => Promise<T>,
    mayRepeat: (error: MoldauError) => boolean,
  ): Promise<T> {
    for (;;) {
      const answerer = await this.found(find);
      try {
        return await attempt(answerer);
      } catch (error) {
        await this.again(error, mayRepeat);
      }
    }
  }

  /** Waits until there is one. Throws what `find` throws besides NOT_LEADER and NOT_SERVING. */
  async found<A>(find: () => A): Promise<A> {
    for (;;) {
      try {
        return find();
      } catch (error) {
        await this.again(error, (refusal) => hasReason(refusal, 'NOT_LEADER') || hasReason(refusal, 'NOT_SERVING'));
      }
    }
  }

  /** Resolves when it is time for another attempt. Throws `error`, that of the last one, when there is to be none. */
  async again(error: unknown, mayRepeat: (error: MoldauError) => boolean): Promise<void> {
    const { view, timers, random } = this.#ports;
    if (!(error instanceof MoldauError) || !mayRepeat(error) || this.#signal.aborted) throw error;
    const pauseMs = jittered(random, this.#pauseMs);
    if (this.leftMs <= pauseMs) throw error;
    this.#pauseMs = Math.min(this.#pauseMs * 2, lastPauseMs);
    // However much the view changes, nobody is asked without a pause.
    await sleep(timers, jittered(random, firstPauseMs), this.#signal).catch(() => {});
    await view.reached(this.#version + 1n, pauseMs, this.#signal);
    this.#version = view.version;
    if (this.#signal.aborted) throw error;
  }
}

/** Whoever was asked is not the one who can answer, or not now; and has done nothing. */
export function isAboutPlace(error: MoldauError): boolean {
  if (hasReason(error, 'UNREACHABLE')) return wasRefused(error);
  return hasReason(error, 'NOT_LEADER') || hasReason(error, 'NOT_SERVING') || isBehind(error);
}

/** The same, or what was asked may have been done: for what may be done twice. */
export const isAboutPlaceOrLost = (error: MoldauError): boolean =>
  isAboutPlace(error) ||
  hasReason(error, 'UNREACHABLE') ||
  hasReason(error, 'LEADERSHIP_LOST') ||
  hasReason(error, 'STORAGE_FAILED');

/** Nobody listened at the address: the call has not left this process. */
const wasRefused = ({ fields }: MoldauError): boolean => fields.refused !== undefined;

/** A node does not know what this process knows: its news come later. */
const isBehind = (error: MoldauError): boolean =>
  hasReason(error, 'UNKNOWN_TOPIC') || hasReason(error, 'UNKNOWN_PARTITION');
