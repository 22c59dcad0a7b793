export { bootId } from './boot-id.ts';
export { HostFileSystem } from './host-file-system.ts';
export { markAtOnce } from './mark-at-once.ts';
export { MemoryFileSystem } from './memory-file-system.ts';
export { hostRandom } from './random.ts';
export { clientTimers, hostClock, hostTimers } from './time.ts';
