export {
  type Config,
  defineConfig,
  environmentName,
  flagName,
  resolve,
  type Schema,
  type Source,
  type Sources,
  unknownVariables,
  type Values,
} from './config.ts';
export { boolean, bytes, duration, type Field, integer, oneOf, optional, text } from './fields.ts';
export { describeConfig, renderTable } from './table.ts';
export * from './values.ts';
