export { bootId } from './boot-id.ts';
export { collectEarly } from './collect-early.ts';
export { HostFileSystem } from './host-file-system.ts';
export { MemoryFileSystem } from './memory-file-system.ts';
export { processWarnings } from './process-warnings.ts';
export { hostRandom } from './random.ts';
export { clientTimers, hostClock, hostTimers } from './time.ts';
