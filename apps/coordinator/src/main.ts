import { coordinatorProgram } from '@moldau/process/coordinator-program';
import { runProgram } from '@moldau/process/run-program';

process.exitCode = await runProgram(coordinatorProgram, process.argv.slice(2));
