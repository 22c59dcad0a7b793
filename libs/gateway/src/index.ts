export { Gateway, type GatewayConfig, type GatewayPorts, type GatewayStage } from './gateway.ts';
