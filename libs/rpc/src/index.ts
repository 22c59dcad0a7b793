export { type Authenticate, type Credentials, nodesByCertificate } from './access.ts';
export { asReceived } from './as-received.ts';
export { CallBudget } from './call-budget.ts';
export { fromWireError, toWireError } from './errors.ts';
export { GrpcDialer, type GrpcDialerOptions } from './grpc/grpc-dialer.ts';
export { GrpcServer, type GrpcServerOptions } from './grpc/grpc-server.ts';
export type { ClientTls, ServerTls } from './grpc/tls.ts';
export { defaultLimits, type Limits, limitsFor } from './limits.ts';
export {
  type Conditions,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type MemoryServerPorts,
} from './memory/memory-network.ts';
export type { Passage } from './memory/memory-pipe.ts';
export { type SealPorts, sealError } from './seal.ts';
export { SessionLiveness } from './session-liveness.ts';
export * from './transport.ts';
