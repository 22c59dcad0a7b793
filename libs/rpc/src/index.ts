export { SessionLiveness } from './session-liveness.ts';
export { type Authenticate, type Credentials, nodesByCertificate } from './access.ts';
export { fromWireError, toWireError } from './errors.ts';
export { GrpcDialer, type GrpcDialerOptions } from './grpc/grpc-dialer.ts';
export { GrpcServer, type GrpcServerOptions } from './grpc/grpc-server.ts';
export type { ClientTls, ServerTls } from './grpc/tls.ts';
export { defaultLimits, type Limits, limitsFor } from './limits.ts';
export { type SealPorts, sealError } from './seal.ts';
export * from './transport.ts';
