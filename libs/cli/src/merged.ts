import { Gate } from '@moldau/kernel';

/**
 * The values of several sources as they come, each source in its own order. Holds at most one value of each.
 * `leave` is called at the end, whichever it is: it ends the sources.
 */
export async function* merged<T>(sources: readonly AsyncGenerator<T>[], leave: () => void): AsyncGenerator<T> {
  const arrived = new Gate();
  const taken = new Gate();
  const waiting: (T | undefined)[] = sources.map(() => undefined);
  let running = sources.length;
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;

  const pump = async (source: AsyncGenerator<T>, index: number): Promise<void> => {
    try {
      for await (const value of source) {
        waiting[index] = value;
        arrived.open();
        while (waiting[index] !== undefined && !isOver) await taken.wait();
        if (isOver) return;
      }
    } catch (error) {
      failure ??= { error };
    } finally {
      running -= 1;
      arrived.open();
    }
  };
  const pumps = sources.map(pump);
  try {
    for (;;) {
      const ready = waiting.flatMap((value, index) => (value === undefined ? [] : [{ value, index }]));
      for (const { value, index } of ready) {
        yield value;
        waiting[index] = undefined;
      }
      taken.open();
      if (failure !== undefined) throw failure.error;
      if (running === 0 && ready.length === 0) return;
      if (ready.length === 0) await arrived.wait();
    }
  } finally {
    isOver = true;
    taken.open();
    leave();
    await Promise.all(pumps);
  }
}
