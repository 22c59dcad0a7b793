export { coordinatorProgram } from './coordinator-program.ts';
export { gatewayProgram } from './gateway-program.ts';
export { groupCoordinatorProgram } from './group-coordinator-program.ts';
export type { ProcessWorld, Program, RunningService } from './program.ts';
export { runProgram, settingsTable } from './run-program.ts';
export { storageNodeProgram } from './storage-node-program.ts';
