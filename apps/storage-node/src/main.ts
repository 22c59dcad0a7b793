import { runProgram } from '@moldau/process/run-program';
import { storageNodeProgram } from '@moldau/process/storage-node-program';

process.exitCode = await runProgram(storageNodeProgram, process.argv.slice(2));
