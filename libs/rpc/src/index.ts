export { SessionLiveness } from './session-liveness.ts';
export * from './transport.ts';
