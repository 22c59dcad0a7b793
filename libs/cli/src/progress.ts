import type { Io } from './io.ts';

const everyMs = 1_000;
const eraseLine = '\r\u001b[K';

/** What a line on stderr begins with: it takes the place of the progress, which comes again below it. */
export const lineStart = ({ stderr }: Io): string => (stderr.isTTY === true ? eraseLine : '');

/** Shows how far something has come, each second, on a terminal only. Returns what takes the line away again. */
export function startProgress(text: () => string, { quiet }: { readonly quiet?: boolean }, io: Io): () => void {
  if (io.stderr.isTTY !== true || quiet === true) return () => {};
  let shown = false;
  const clear = (): void => {
    if (shown) io.stderr.write(eraseLine);
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
