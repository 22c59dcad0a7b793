export { Coordinator } from './coordinator.ts';
export { type CoordinatorConfig, type CoordinatorPorts, defaultConfig } from './ports.ts';
