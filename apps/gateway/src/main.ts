import { gatewayProgram } from '@moldau/process/gateway-program';
import { runProgram } from '@moldau/process/run-program';

process.exitCode = await runProgram(gatewayProgram, process.argv.slice(2));
