const everyMs = 10_000;

/** Of a wait that may be for something that was lost. */
export interface Stall {
  /** Rejects when nothing went on for a while. Never resolves. */
  readonly failed: Promise<never>;
  stop(): void;
}

/** Watches a count that has to grow. */
export function failWhenStalled(count: () => number, what: string, checkMs = everyMs): Stall {
  const stalled = Promise.withResolvers<never>();
  let last = -1;
  const timer = setInterval(() => {
    if (count() === last) stalled.reject(new Error(`${what}: nothing has come after ${last} records`));
    last = count();
  }, checkMs);
  return { failed: stalled.promise, stop: () => clearInterval(timer) };
}
