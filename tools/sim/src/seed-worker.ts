import { parentPort, workerData } from 'node:worker_threads';
import { plant } from './mutations/plant.ts';
import type { FromWorker, ToWorker, WorkerData } from './seed-pool.ts';

// The bug goes in before the code that it is planted in: nothing of the cluster may be imported above.
const { bug, trace } = workerData as WorkerData;
if (bug !== undefined) plant(bug);
// Errors are the daily bread of a history: where each was made is worth its time only to a reader.
Error.stackTraceLimit = trace ? 30 : 0;
const { runHistory } = await import('./history.ts');

const port = parentPort;
const say = (message: FromWorker): void => port?.postMessage(message);

port?.on('message', (message: ToWorker) => {
  const echo = trace ? (line: string) => console.log(line) : undefined;
  runHistory(message.seed, echo).then(
    (outcome) => say({ kind: 'outcome', outcome }),
    (error: unknown) => say({ kind: 'crashed', seed: message.seed, what: String(error) }),
  );
});
say({ kind: 'ready' });
