/** What the makers' clients that publish asynchronously allow by default. */
export const inFlightMax = 4_000;
/** Pulled ahead by a reader. */
export const pulledAhead = 10_000;
