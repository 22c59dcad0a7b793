export { CruelDisk, type CruelDiskOptions, type DiskOperation } from './cruel-disk.ts';
export { CruelFileSystem } from './cruel-file-system.ts';
export { SeededRandom } from './seeded-random.ts';
export { VirtualTime } from './virtual-time.ts';
