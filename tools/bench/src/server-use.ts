import { readFileSync } from 'node:fs';
import { cpuSecondsOf } from './process-cpu.ts';

/** User and system time of processes since their start. */
export const cpuSecondsOfProcesses = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8')), 0);

/** What processes have in memory now, all together. */
export const residentMiBOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + residentKiB(pid) / 1024, 0);

const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

/** Bytes that processes have written to files, since their start. 0 where the kernel does not say. */
export const writtenBytesOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + writtenBytes(pid), 0);

function writtenBytes(pid: number): number {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
