import { groupCoordinatorProgram } from '@moldau/process/group-coordinator-program';
import { runProgram } from '@moldau/process/run-program';

process.exitCode = await runProgram(groupCoordinatorProgram, process.argv.slice(2));
