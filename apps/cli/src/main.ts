import { run } from '@moldau/cli';

/** A Ctrl-C reaches the whole process group, and a wrapper such as npx hands it on: within this time it is the same one. */
const echoMs = 100;

const interruption = new AbortController();
let interruptedAt = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (!interruption.signal.aborted) {
      interruptedAt = performance.now();
      interruption.abort();
      return;
    }
    // The second one ends it, whatever is under way.
    if (performance.now() - interruptedAt > echoMs) process.exit(130);
  });
}
// A reader that has had enough, as `head` has, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
// Nobody is left to tell.
process.stderr.on('error', () => {});

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  interrupted: interruption.signal,
});
