export { type ConsumeLoad, type ConsumeMode, type ConsumeReport, consumeLoad, consumeModes } from './consume-load.ts';
export { type EndToEndLoad, type EndToEndReport, endToEndLoad } from './end-to-end-load.ts';
export { fastProducer } from './fast-producer.ts';
export {
  ForeignValue,
  NumberedValues,
  type ReadSum,
  sumWritten,
  ValueCheck,
  valueBytesMin,
} from './numbered-values.ts';
export { type Latencies, LatencyCollector, type ProcessUse, ProcessWatch } from './process-use.ts';
export {
  epochMs,
  type LoadReport,
  type ProduceLoad,
  type Progress,
  paced,
  produceLoad,
} from './produce-load.ts';
