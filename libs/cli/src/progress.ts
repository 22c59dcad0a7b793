import type { Io } from './io.ts';

const everyMs = 1_000;

/** Shows how far something has come, each second, on a terminal only. Returns what takes the line away again. */
export function startProgress(text: () => string, { quiet }: { readonly quiet?: boolean }, io: Io): () => void {
  if (io.stderr.isTTY !== true || quiet === true) return () => {};
  let shown = false;
  const clear = (): void => {
    if (shown) io.stderr.write('\r\u001b[K');
  };
  const timer = setInterval(() => {
    clear();
    io.stderr.write(text());
    shown = true;
  }, everyMs);
  return () => {
    clearInterval(timer);
    clear();
  };
}
