import { Worker } from 'node:worker_threads';
import type { PlantedBug } from './mutations/planted-bug.ts';
import type { Outcome } from './outcome.ts';

export interface WorkerData {
  readonly bug: PlantedBug | undefined;
  readonly trace: boolean;
}

export type ToWorker = { readonly seed: number };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  | { readonly kind: 'crashed'; readonly seed: number; readonly what: string };

/** What a run of many seeds is told. */
export interface PoolOptions {
  readonly seeds: Iterable<number>;
  readonly threads: number;
  readonly bug?: PlantedBug | undefined;
  readonly trace?: boolean;
  /** Called as the outcomes come, in no order. True: enough is known. */
  readonly onOutcome: (outcome: Outcome) => boolean;
}

/** Runs each seed once, in threads of their own, until all are done or enough is known. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const seeds = options.seeds[Symbol.iterator]();
  const stop = new AbortController();
  const threads = Array.from({ length: options.threads }, () => runThread(options, seeds, stop));
  await Promise.all(threads);
}

function runThread(options: PoolOptions, seeds: Iterator<number>, stop: AbortController): Promise<void> {
  const { bug, trace = false, onOutcome } = options;
  const workerData: WorkerData = { bug, trace };
  const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  let seed = -1;
  const next = (): void => {
    if (stop.signal.aborted) return void worker.terminate();
    const { done, value } = seeds.next();
    if (done === true) return void worker.terminate();
    seed = value;
    worker.postMessage({ seed } satisfies ToWorker);
  };
  const onStop = (): void => void worker.terminate();
  stop.signal.addEventListener('abort', onStop);
  const tell = (outcome: Outcome): void => {
    if (onOutcome(outcome)) stop.abort();
    next();
  };
  return new Promise((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (stop.signal.aborted) return;
      if (message.kind === 'ready') next();
      else if (message.kind === 'outcome') tell(message.outcome);
      else tell(crashed(message.seed, message.what));
    });
    worker.on('error', (error: unknown) => {
      if (seed < 0) return reject(error);
      // A bug that ended the thread: it is what this seed has found.
      if (onOutcome(crashed(seed, String(error)))) stop.abort();
      resolve(stop.signal.aborted ? undefined : runThread(options, seeds, stop));
    });
    worker.on('exit', () => {
      stop.signal.removeEventListener('abort', onStop);
      resolve();
    });
  });
}

const crashed = (seed: number, what: string): Outcome => ({
  seed,
  digest: '',
  virtualMs: 0,
  writes: { ok: 0, refused: 0, unknown: 0 },
  broken: { what: `bug: ${what}`, tail: [] },
});
