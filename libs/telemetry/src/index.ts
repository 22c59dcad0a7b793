export { type HttpStatus, type HttpStatusOptions, startHttpStatus } from './http-status.ts';
export { createLogger, type LogLevel, type LogOptions, logLevels } from './logger.ts';
export { PrometheusMeter } from './prometheus-meter.ts';
