// Takes the lock of the directory that it is given, says so, and holds it until it is killed.
import { HostFileSystem } from '../src/host-file-system.ts';

const lock = await new HostFileSystem().lock(process.argv[2] ?? '');
console.log(lock === undefined ? 'busy' : 'locked');
process.stdin.resume();
