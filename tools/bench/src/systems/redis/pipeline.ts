/** Redis' own advice on pipelining: in the order of ten thousand commands, and then their replies. */
export const inFlightMax = 10_000;
/** Of one XREAD: about a megabyte of small records. */
export const readCount = 5_000;
