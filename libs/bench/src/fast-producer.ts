/** What a producer that is to be fast is set to: of the sizes that were tried the best one here (docs/performance.md). */
export const fastProducer = { batchSize: '768KiB', linger: '5ms', buffer: '32MiB' } as const;
