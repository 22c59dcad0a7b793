import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { MemoryWatch } from '@moldau/measure-tool/process-memory';
import { spawnTied } from '@moldau/testing/tied-child';
import { CpuWatch } from './process-cpu.ts';

/** A client that has done what it was asked for. */
export interface ClientRun {
  readonly printed: string;
  /** From its start to its end. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

/** No run is planned to last so long: a client that waits for what was lost shall not be waited for. */
const runMsMax = 15 * 60_000;
const complaintCharacters = 4_000;

/** Runs a client in a process of its own, which dies with this one. Rejects with its complaint when it fails. */
export async function runClient(program: string, args: readonly string[]): Promise<ClientRun> {
  const child = spawnTied(program, args, { isRead: true });
  const { pid, stdout, stderr } = child;
  if (pid === undefined || stdout === null || stderr === null) throw new Error(`${program} can't be started`);
  const memory = new MemoryWatch(pid);
  const cpu = new CpuWatch(pid);
  const timer = setTimeout(() => child.kill('SIGKILL'), runMsMax);
  try {
    const [printed, complaint] = await Promise.all([text(stdout), text(stderr), once(child, 'close')]);
    if (child.exitCode !== 0) {
      const reason = `${complaint}\n${printed}`.trim().slice(-complaintCharacters);
      throw new Error(`${program} ended with ${child.exitCode ?? child.signalCode}:\n${reason}`);
    }
    return { printed, cpuSeconds: cpu.seconds, peakMiB: memory.peakMiB };
  } finally {
    clearTimeout(timer);
    memory.stop();
    cpu.stop();
  }
}

/** Runs a script of this tool: it is given its arguments as JSON, and prints its result so. */
export async function runClientScript<T>(script: URL, args: object): Promise<T> {
  const { printed } = await runClient(process.execPath, [fileURLToPath(script), JSON.stringify(args)]);
  return JSON.parse(printed) as T;
}
